import { accountsFields } from './schema-accounts.ts'
import { erasure, privacy, retention } from './schema-privacy.ts'
import { integrationFields } from './schema-integrations.ts'
import { federation, media, outgoingHttp, rateLimits } from './schema-traffic.ts'
import { checkAddresses, checkBaseUrl, checkRoomVersion, checkServerName } from './checks.ts'
import { boolean, choice, duration, integer, list, nullable, path, secret, text } from './kinds.ts'
import { section } from './section.ts'

const resources = ['client', 'federation', 'media', 'console', 'admin', 'metrics', 'health'] as const

const listener = section('', {
  host: text('127.0.0.1', ''),
  port: integer(undefined, 0, 65_535, ''),
  resources: list(undefined as unknown as [], choice(undefined, resources, ''), ''),
  tls: nullable(section('', { cert_file: path('config', undefined, ''), key_file: path('config', undefined, '') })),
})

const contact = section('', {
  role: text('m.role.admin', ''),
  matrix_id: nullable(text(undefined, '')),
  email_address: nullable(text(undefined, '')),
})

/** Every key of the configuration file, in the order of the example. */
export const schema = {
  server_name: text(
    undefined,
    'The name in user ids (@alice:example.org), with or without a port. It can never be changed.',
    checkServerName,
  ),
  public_base_url: nullable(
    text(undefined, 'Where clients reach this server. null: https:// and the host of the server name.', checkBaseUrl),
  ),
  data_dir: path('config', './data', 'Database, media, keys and journal live here, unless named otherwise below.'),
  listeners: list(
    [
      { host: '127.0.0.1', port: 8008, resources: ['client', 'federation', 'media', 'console', 'health'] },
      { host: '127.0.0.1', port: 8009, resources: ['admin', 'metrics', 'health'] },
    ],
    listener,
    'Any number, any mix of resources; admin serves /_synapse/admin and /_lethe/admin. With TLS of our own, for other servers:\n' +
      '  - { host: 0.0.0.0, port: 8448, resources: [federation, media], tls: { cert_file: tls/cert.pem, key_file: tls/key.pem } }',
  ),
  trusted_proxies: list(
    [],
    text(undefined, '', checkAddresses),
    'Addresses or ranges (10.0.0.0/8) whose X-Forwarded-For is believed.',
  ),
  compatibility: section('For clients older than the specification.', {
    access_token_in_query: boolean(true, 'accept ?access_token=; it is never logged'),
  }),
  well_known: section('What /.well-known/matrix says beyond the addresses.', {
    server: nullable(text(undefined, 'host:port for other servers; null: those of an https public_base_url')),
    support_page: nullable(text(undefined, 'where people find help')),
    contacts: list([], contact, '{ role: m.role.admin or m.role.security, matrix_id, email_address }'),
  }),
  database: section('SQLite in one file, or PostgreSQL for more than one process.', {
    engine: choice('sqlite', ['sqlite', 'postgres'], 'sqlite or postgres'),
    path: path('data', 'lethe.db', 'the file of sqlite'),
    durability: choice(
      'durable',
      ['durable', 'relaxed'],
      'relaxed answers before the disk has it: a power cut loses messages',
    ),
    url: secret('of postgres: postgres://lethe@localhost/lethe'),
    pool: integer(10, 2, 1000, 'connections to postgres'),
  }),
  signing_key: section(
    'The key that proves to other servers who we are; made when missing, old keys are kept beside it.',
    {
      path: path('data', 'signing.key', 'a file of mode 0600'),
    },
  ),
  logging: section('JSON lines without names, content, tokens or full addresses.', {
    level: choice(
      'info',
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
      'trace, debug, info, warn, error, fatal, silent',
    ),
    file: nullable(path('data', undefined, 'null: standard output')),
    retain: duration('28d', 'how long yesterdays’ files are kept'),
  }),
  ...accountsFields,
  rate_limits: rateLimits,
  rooms: section('', {
    default_version: text('12', 'version of new rooms', checkRoomVersion),
    max_event_size: integer(65_536, 1024, 65_536, 'in bytes; the specification’s limit is the largest'),
  }),
  directory: section('The list of public rooms, and names of rooms.', {
    public_over_federation: boolean(false, 'show it to other servers'),
    public_without_login: boolean(false, 'show it to anybody'),
    alias_creation: choice(
      'everyone',
      ['everyone', 'admins', 'nobody'],
      'who may name rooms: everyone, admins, nobody',
    ),
  }),
  presence: section('Who is online.', {
    enabled: boolean(true, 'among the users of this server'),
    over_federation: boolean(false, 'to and from other servers'),
  }),
  media,
  federation,
  outgoing_http: outgoingHttp,
  ...integrationFields,
  erasure,
  privacy,
  retention,
  admin: section('', {
    users: list([], text(undefined, ''), 'user ids that are administrators, as well as those marked in the database'),
  }),
}
