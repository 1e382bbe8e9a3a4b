import type { LoggedIn } from '../../accounts/login.ts'
import type { JsonObject } from '../../protocol/json-types.ts'
import type { Deps } from '../deps.ts'

/** What a client is told of a session that it began (`POST /login`, `POST /register`). */
export function sessionAnswer(
  { config, serverName }: Pick<Deps, 'config' | 'serverName'>,
  loggedIn: LoggedIn,
): JsonObject {
  const { userId, session } = loggedIn
  const { refreshToken, expiresInMs } = session
  return {
    user_id: userId,
    access_token: session.accessToken,
    device_id: session.deviceId,
    home_server: serverName,
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    ...(expiresInMs === undefined ? {} : { expires_in_ms: expiresInMs }),
    well_known: { 'm.homeserver': { base_url: config.publicBaseUrl } },
  }
}
