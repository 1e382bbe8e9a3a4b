import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { generateExample } from '../../../src/cli/config/generate.ts'
import { loadConfig } from '../../../src/cli/config/load.ts'
import { readYaml } from '../../../src/cli/config/located.ts'
import type { ConfigError } from '../../../src/cli/config/located.ts'
import { makeConfig, readConfig } from '../../../src/cli/config/make.ts'
import { schema } from '../../../src/cli/config/schema.ts'
import { effectiveValues } from '../../../src/cli/config/show.ts'
import type { Fields } from '../../../src/cli/config/field.ts'

const folder = mkdtempSync(join(tmpdir(), 'lethe-config-'))
const write = (text: string, name = 'config.yaml') => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const problems = (text: string, env: Record<string, string> = {}) => {
  try {
    loadConfig(write(text), env)
    return []
  } catch (error) {
    return (error as ConfigError).message.replaceAll(folder, '').split('\n')
  }
}

describe('the example', () => {
  const example = readFileSync(resolve(import.meta.dirname, '../../../config.example.yaml'), 'utf8')

  test('is what `config generate` prints', () => expect(example).toBe(generateExample()))

  test('says the defaults', () => {
    expect(readConfig(readYaml(example, 'example'), folder, [])).toEqual(
      makeConfig({ server_name: 'example.org' }, folder),
    )
  })

  test('what it has commented out is right too', () => {
    const keys = [...(example.match(/(?<=^# +)[a-z0-9_]+(?=:)/gm) ?? [])].join('|')
    const uncommented = example
      .replaceAll(new RegExp(`^# ( *(?:${keys}):)`, 'gm'), '$1')
      .replaceAll(/^ *(?:s3|email|turn|recaptcha|cas): null.*\n/gm, '')
    expect(uncommented).toContain('\nemail:\n')
    const made = readYaml(uncommented.replaceAll(/(endpoint|url): "" +# (\S+)/g, '$1: $2'), 'example')
    expect(readConfig(made, folder, []).email).toMatchObject({ port: 465 })
  })
})

test('every key of the contract is known, with the default that it names', () => {
  const contract = `
server_name: example.org
public_base_url: https://matrix.example.org
data_dir: ./data
listeners:
  - { host: 127.0.0.1, port: 8008, resources: [client, federation, media, console, health] }
  - { host: 0.0.0.0, port: 8448, resources: [federation, media], tls: { cert_file: tls/cert.pem, key_file: tls/key.pem } }
  - { host: 127.0.0.1, port: 8009, resources: [admin, metrics, health] }
trusted_proxies: []
database: { engine: sqlite, path: lethe.db, durability: durable }
signing_key: { path: signing.key }
logging: { level: info, file: null, retain: 28d }
passwords: { pepper_file: pepper, bcrypt_cost: 12, minimum_length: 8, login: true }
registration: { enabled: false, flows: [token], guests: false, shared_secret: null }
rate_limits: { enabled: true }
rooms: { default_version: "12", max_event_size: 65536 }
directory: { public_over_federation: false, public_without_login: false, alias_creation: everyone }
presence: { enabled: true, over_federation: false }
media: { path: media, max_upload: 50MiB, unauthenticated_access: false, previews: { enabled: false, allow: [], deny: [] }, remote_cache: { max_size: 10GiB, retain: 90d }, s3: null }
federation:
  enabled: true
  trusted_key_servers: []
  extra_ca_files: []
  static_routes: {}
  retry: { initial: 30s, max: 24h }
outgoing_http: { extra_ca_files: [], allow_private_addresses: false, proxy: null }
server_notices: { enabled: false, localpart: _server, room_name: "Server notices" }
application_services: []
email: null
turn: null
rtc: { livekit_service_url: null }
oidc_providers: []
recaptcha: null
cas: null
erasure:
  mode: redact
  delay: 0s
  deadline: 30d
  journal: { path: erasure-journal.jsonl }
  rewrite: { every: 24h, window: null }
  rates: { per_room: 5/s, total: 20/s }
  forward: true
  inbound: { enabled: true, quarantine: 7d }
privacy:
  mask_addresses: { ipv4: 16, ipv6: 32 }
  retain: { addresses: 28d, sessions: 90d, exports: 7d }
  controller: { name: null, contact: null, address: null, supervisory_authority: null }
  processors: []
retention: { enabled: false, default_max_lifetime: null }
admin: { users: [] }
`
  const { listeners, publicBaseUrl, ...rest } = readConfig(readYaml(contract, 'contract'), folder, [])
  const { listeners: initial, publicBaseUrl: _, ...defaults } = makeConfig({ server_name: 'example.org' }, folder)
  expect(rest).toEqual(defaults)
  expect(publicBaseUrl).toBe('https://matrix.example.org')
  expect(initial).toEqual([listeners[0], listeners[2]])
  expect(listeners[1]?.tls).toEqual({ certFile: join(folder, 'tls/cert.pem'), keyFile: join(folder, 'tls/key.pem') })
})

describe('problems', () => {
  test('an unknown key is named with file, line and the nearest known one', () => {
    expect(problems('server_name: a.test\n\npasswords:\n  bcrypt_cots: 4\nregistraton: {}\n')).toEqual([
      '/config.yaml:5: unknown key registraton; did you mean registration?',
      '/config.yaml:4: unknown key bcrypt_cots; did you mean bcrypt_cost?',
    ])
  })

  test.each([
    ['', ': configuration is empty', 1],
    ['server_name: "not a name"', 'not a server name', 1],
    ['server_name: a.test\nerasure: { delay: 26d }', 'at most 25d', 2],
    ['server_name: a.test\nerasure: { deadline: 31d }', 'at most 30d', 2],
    ['server_name: a.test\nerasure:\n  inbound:\n    quarantine: 15d', 'at most 14d', 4],
    ['server_name: a.test\nmedia: { max_upload: lots }', 'expected a size such as 50MiB', 2],
    ['server_name: a.test\nlogging: { retain: 5 }', 'expected a duration such as 30s, 5m or 7d', 2],
    ['server_name: a.test\npasswords: { bcrypt_cost: 11 }', 'bcrypt_cost under 12 needs allow_weak_hash', 2],
    ['server_name: a.test\ndatabase: { engine: postgres }', 'postgres needs url or url_file', 2],
    ['server_name: a.test\nlisteners:\n  - { host: x, resources: [client] }', 'port is missing', 3],
    ['server_name: a.test\nlisteners:\n  - { port: 1, resources: [clients] }', 'expected one of client,', 3],
    ['server_name: a.test\nserver_name: b.test', 'Map keys must be unique', 2],
    ['server_name: a.test\nrooms: { default_version: "99" }', 'not a room version', 2],
    ['server_name: a.test\ntrusted_proxies: [nowhere]', 'not an address', 2],
    ['server_name: a.test\nfederation: { static_routes: { b.test: nowhere } }', 'expected address:port', 2],
    ['server_name: a.test\nregistration: { shared_secret_file: missing }', 'cannot be read', 2],
  ])('%j: %s', (text, message, line) => {
    const found = problems(text).join('\n')
    if (text === '') expect(found).toContain('server_name is missing')
    else expect(found).toContain(message)
    expect(found).toContain(`:${line}: `)
  })
})

describe('the environment', () => {
  test('goes over the file, typed as the key is', () => {
    const env = {
      LETHE_SERVER_NAME: 'b.test',
      LETHE_REGISTRATION__ENABLED: 'true',
      LETHE_REGISTRATION__SHARED_SECRET: 'yes: #1 {',
      LETHE_TRUSTED_PROXIES: '[10.0.0.1]',
      LETHE_MEDIA__REMOTE_CACHE__RETAIN: '1d',
      LETHE_TEST_POSTGRES: 'not ours',
    }
    const { config } = loadConfig(write('server_name: a.test\nmedia: { remote_cache: { max_size: 1GiB } }'), env)
    expect(config.serverName).toBe('b.test')
    expect(config.registration).toMatchObject({ enabled: true, sharedSecret: 'yes: #1 {' })
    expect(config.trustedProxies).toEqual(['10.0.0.1'])
    expect(config.media.remoteCache).toEqual({ maxSizeBytes: 2 ** 30, retainMs: 86_400_000 })
  })

  test('wrong names and values are problems', () => {
    expect(
      problems('server_name: a.test', { LETHE_REGISTRATION__ENABLE: 'true', LETHE_ROOMS__MAX_EVENT_SIZE: 'x' }),
    ).toEqual([
      'LETHE_REGISTRATION__ENABLE: unknown key registration.enable; did you mean enabled?',
      'LETHE_ROOMS__MAX_EVENT_SIZE: expected a whole number from 1024 to 65536',
    ])
  })
})

test('secrets come from files beside the configuration', () => {
  write('from a file\n', 'secret.txt')
  const { config } = loadConfig(write('server_name: a.test\nregistration: { shared_secret_file: secret.txt }'), {})
  expect(config.registration.sharedSecret).toBe('from a file')
})

test('paths of data start at the data directory, all others where the file is', () => {
  const { config } = loadConfig(
    write('server_name: a.test\ndata_dir: d\nlogging: { file: l.log }\nfederation: { extra_ca_files: [ca.pem] }'),
    {},
  )
  expect([
    config.dataDir,
    config.database.path,
    config.signingKey.path,
    config.passwords.pepperFile,
    config.media.path,
    config.erasure.journal.path,
    config.logging.file,
  ]).toEqual(
    ['d', 'd/lethe.db', 'd/signing.key', 'd/pepper', 'd/media', 'd/erasure-journal.jsonl', 'd/l.log'].map((path) =>
      join(folder, path),
    ),
  )
  expect(config.federation.extraCaFiles).toEqual([join(folder, 'ca.pem')])
})

test('without a file the name is localhost, with a warning, and no certificate is needed', () => {
  const before = process.cwd()
  process.chdir(mkdtempSync(join(tmpdir(), 'lethe-empty-')))
  try {
    const { config, warnings, file } = loadConfig(undefined, {})
    expect([config.serverName, config.publicBaseUrl, file]).toEqual(['localhost', 'http://localhost:8008', undefined])
    expect(warnings[0]).toContain('federation needs a real name')
    expect(config.listeners.every(({ tls }) => tls === null)).toBe(true)
  } finally {
    process.chdir(before)
  }
})

test('config show hides every secret', () => {
  const secrets: string[] = []
  const fill = (fields: Fields): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(fields).flatMap(([key, field]): [string, unknown][] => {
        if (field.isSecret) {
          secrets.push(key)
          return [[key, 'hush hush']]
        }
        return field.kind === 'section' && field.fields ? [[key, fill(field.fields)]] : []
      }),
    )
  const given = readYaml(
    JSON.stringify({
      server_name: 'a.test',
      ...fill(schema),
      oidc_providers: [{ id: 'x', client_secret: 'hush hush' }],
    }),
    'x',
  )
  const shown = JSON.stringify(effectiveValues(given))
  expect(secrets.length).toBeGreaterThan(5)
  expect(shown).not.toContain('hush')
  expect(shown.split('(hidden)').length - 1).toBe(secrets.length + 1)
  expect(shown).toContain('"bcrypt_cost":12')
})
