import { resolve } from 'node:path'
import { parseServerName } from '../../protocol/ids.ts'
import { splitServerName } from '../../protocol/server-name.ts'
import type { Config } from '../../util/config.ts'
import { ConfigError, locatePlain } from './located.ts'
import type { Located, Problem } from './located.ts'
import { schema } from './schema.ts'
import { readSection } from './section.ts'
import type { Reading, Section } from './field.ts'

/**
 * Makes a Config of plain values in the form of the file (`{ server_name: 'a.test', database: { … } }`); everything else
 * has its default. Relative paths start at `folder`. Throws ConfigError.
 */
export function makeConfig(values: Readonly<Record<string, unknown>>, folder = '.'): Config {
  return readConfig(locatePlain(values, 'configuration'), folder, [])
}

/** Makes a Config of a file's values, with the problems that were already found. Throws ConfigError. */
export function readConfig(root: Located, folder: string, found: readonly Problem[]): Config {
  if (!(root.data instanceof Map) && root.data !== null) {
    throw new ConfigError([...found, { where: root.where, message: 'expected keys and values' }])
  }
  const data = (root.data ?? new Map()) as ReadonlyMap<string, Located>
  const problems = [...found]
  const dataDir = data.get('data_dir')?.data
  const base = resolve(folder)
  const reading: Reading = {
    problems,
    folder: base,
    dataDir: resolve(base, typeof dataDir === 'string' ? dataDir : (schema.data_dir.initial as string)),
  }
  const read = readSection(schema, { where: root.where, data }, reading)
  if (problems.length === 0) problems.push(...contradictions(read, (key) => data.get(key)?.where ?? root.where))
  if (problems.length > 0) throw new ConfigError(problems)
  const publicBaseUrl = (read.publicBaseUrl ?? defaultBaseUrl(read)).replace(/\/+$/, '')
  return { ...read, publicBaseUrl }
}

type Read = Section<typeof schema>

/** What no single key shows. */
function contradictions(read: Read, whereOf: (key: string) => string): Problem[] {
  const wrong: [boolean, string, string][] = [
    [
      read.passwords.bcryptCost < 12 && !read.passwords.allowWeakHash,
      'passwords',
      'bcrypt_cost under 12 needs allow_weak_hash: true, and is for tests only',
    ],
    [read.database.engine === 'postgres' && read.database.url === null, 'database', 'postgres needs url or url_file'],
    [read.erasure.delayMs > read.erasure.deadlineMs, 'erasure', 'delay is longer than deadline'],
    [read.registration.sharedSecret === '', 'registration', 'shared_secret is empty'],
    [
      read.registration.enabled && read.registration.flows.length === 0,
      'registration',
      'flows is empty: name dummy to let everybody in',
    ],
    [
      read.registration.flows.includes('email') && read.registration.enabled && read.email === null,
      'registration',
      'the flow email needs the section email',
    ],
    [
      read.registration.flows.includes('recaptcha') && read.registration.enabled && read.recaptcha === null,
      'registration',
      'the flow recaptcha needs the section recaptcha',
    ],
    [read.passwords.pepper === '', 'passwords', 'pepper is empty'],
  ]
  for (const name of Object.keys(read.federation.staticRoutes)) {
    wrong.push([!parseServerName(name), 'federation', `static_routes: ${name} is not a server name`])
  }
  return wrong.filter(([isWrong]) => isWrong).map(([, key, message]) => ({ where: whereOf(key), message }))
}

function defaultBaseUrl({ serverName, listeners }: Read): string {
  const parts = splitServerName(serverName)
  const host = parts?.kind === 'ipv6' ? `[${parts.host}]` : (parts?.host ?? serverName)
  const isLocal = host === 'localhost' || host.startsWith('127.') || host === '[::1]'
  const client = listeners.find(({ resources }) => resources.includes('client'))
  return isLocal && client ? `${client.tls ? 'https' : 'http'}://${host}:${client.port}` : `https://${host}`
}
