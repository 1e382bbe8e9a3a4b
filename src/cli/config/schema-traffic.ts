import { checkHostPort, checkServerName, checkUrl } from './checks.ts'
import { boolean, duration, list, nullable, path, positive, record, secret, size, text } from './kinds.ts'
import { section } from './section.ts'

const bucket = (burst: number, perSecond: number, doc: string) =>
  section(doc, { burst: positive(burst, 'at once'), per_second: positive(perSecond, 'from then on') })

/** Token buckets. */
export const rateLimits = section('Per user, or per address where nobody is logged in.', {
  enabled: boolean(true, 'false: no limits at all'),
  read: bucket(300, 100, 'reading'),
  write: bucket(100, 20, 'messages, state, receipts, settings, keys'),
  sync: bucket(60, 20, 'sync'),
  login: bucket(20, 1, 'log-ins; failures are limited further'),
  register: bucket(10, 0.1, 'registrations'),
  email: bucket(3, 0.05, 'requests that send an e-mail or SMS'),
  media: bucket(100, 30, 'uploads and downloads'),
  search: bucket(20, 2, 'searches and other heavy reads'),
  join: bucket(20, 1, 'joins, invites, new rooms'),
  federation: bucket(500, 200, 'requests of one other server'),
  admin: bucket(200, 50, 'the admin API'),
})

export const media = section('Uploaded files and copies of remote ones.', {
  path: path('data', 'media', 'folder'),
  max_upload: size('50MiB', 'largest upload'),
  unauthenticated_access: boolean(false, 'let people without an account fetch files by the old paths'),
  previews: section('Pictures and titles of links.', {
    enabled: boolean(false, 'the server then fetches what people link to'),
    allow: list([], text(undefined, ''), 'only these host patterns; empty: all public ones'),
    deny: list([], text(undefined, ''), 'never these'),
  }),
  remote_cache: section('Copies of other servers’ files.', {
    max_size: size('10GiB', 'in all'),
    retain: duration('90d', 'after the last use'),
  }),
  s3: nullable(
    section('S3-compatible storage instead of the folder.', {
      endpoint: text(undefined, 'https://s3.example.org', checkUrl),
      bucket: text(undefined, 'name of the bucket'),
      region: text('us-east-1', 'region'),
      access_key: secret('key id'),
      secret_key: secret('secret key'),
      prefix: text('', 'put before every name'),
    }),
  ),
})

export const federation = section('Talking with other servers.', {
  enabled: boolean(true, 'false: an island'),
  trusted_key_servers: list([], text(undefined, '', checkServerName), 'asked for the keys of servers that are gone'),
  extra_ca_files: list([], path('config', undefined, ''), 'more certificate authorities (PEM), for other servers only'),
  static_routes: record(text(undefined, '', checkHostPort), 'server name: address:port, instead of discovery'),
  retry: section('After a failed delivery.', {
    initial: duration('30s', 'the first wait; it doubles'),
    max: duration('24h', 'the longest wait'),
  }),
})

export const outgoingHttp = section('Federation, push, application services, previews.', {
  extra_ca_files: list([], path('config', undefined, ''), 'more certificate authorities (PEM)'),
  allow_private_addresses: boolean(
    false,
    'let names that people or servers give lead into private networks; for tests',
  ),
  proxy: nullable(text(undefined, 'http://proxy:3128', checkUrl)),
})
