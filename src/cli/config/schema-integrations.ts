import { checkUrl } from './checks.ts'
import { boolean, duration, integer, list, nullable, path, secret, text } from './kinds.ts'
import { section } from './section.ts'

const oidcProvider = section('', {
  id: text(undefined, ''),
  name: text(undefined, ''),
  issuer: text(undefined, '', checkUrl),
  client_id: text(undefined, ''),
  client_secret: secret(''),
  scopes: list(['openid', 'profile'], text(undefined, ''), ''),
  icon: nullable(text(undefined, '')),
})

/** Things beside the server that it can use. */
export const integrationFields = {
  server_notices: section('Messages of the operator to a user.', {
    enabled: boolean(false, 'allow them'),
    localpart: text('_server', 'who they come from'),
    room_name: text('Server notices', 'the room they arrive in'),
  }),
  application_services: list([], path('config', undefined, ''), 'Registration files of bridges and bots.'),
  email: nullable(
    section('For confirming addresses and resetting passwords.', {
      host: text(undefined, 'smtp.example.org'),
      port: integer(465, 1, 65_535, ''),
      secure: boolean(true, 'TLS from the first byte; false: STARTTLS'),
      from: text(undefined, '"Matrix <matrix@example.org>"'),
      user: nullable(text(undefined, '')),
      password: secret(''),
    }),
  ),
  turn: nullable(
    section('A TURN server for calls.', {
      uris: list([], text(undefined, ''), '["turns:turn.example.org?transport=tcp"]'),
      shared_secret: secret('makes a password for each user'),
      user: nullable(text(undefined, 'or one for all')),
      password: secret('of that one'),
      ttl: duration('1d', 'how long a password works'),
    }),
  ),
  rtc: section('Group calls.', {
    livekit_service_url: nullable(text(undefined, 'https://livekit.example.org', checkUrl)),
  }),
  oidc_providers: list(
    [],
    oidcProvider,
    'Where people may log in from: { id, name, issuer, client_id, client_secret_file, scopes, icon }.',
  ),
  recaptcha: nullable(
    section('For the registration flow recaptcha.', {
      site_key: text(undefined, 'public'),
      secret_key: secret('private'),
    }),
  ),
  cas: nullable(section('Log-in by CAS.', { url: text(undefined, 'https://cas.example.org', checkUrl) })),
}
