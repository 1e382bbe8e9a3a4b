import { MatrixError } from '../protocol/errors.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { UserId } from '../protocol/ids.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { utf8Length } from '../protocol/text.ts'
import { isErasedUser } from '../store/accounts.ts'
import type { AccountsDeps } from './deps.ts'
import { checkProfileKey, checkProfileValue, maxProfileBytes } from './profile-fields.ts'

/**
 * What a remote user's server says of them, without what a profile cannot hold. Nobody asks about a user whose erasure was
 * forwarded to us: `M_NOT_FOUND`. Throws FederationError.
 */
export async function remoteProfile(
  deps: Pick<AccountsDeps, 'database' | 'federation'>,
  userId: UserId,
  key?: string,
): Promise<JsonObject> {
  if (await deps.database.read((conn) => isErasedUser(conn, userId)))
    throw new MatrixError('M_NOT_FOUND', 'Profile not found')
  const answer = await deps.federation.queryProfile(serverNameOf(userId), userId, key)
  const fields = Object.entries(answer).filter(([name, value]) => isField(name, value))
  const profile: JsonObject = Object.fromEntries(fields)
  if (utf8Length(JSON.stringify(profile)) >= maxProfileBytes)
    throw new MatrixError('M_UNKNOWN', 'The other server answered with too large a profile', {}, 502)
  return profile
}

function isField(name: string, value: Json): boolean {
  return checkProfileKey(name) === undefined && value !== null && checkProfileValue(name, value) === undefined
}
