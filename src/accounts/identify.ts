import { MatrixError } from '../protocol/errors.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { findAccountByUserId } from '../store/accounts.ts'
import type { AccountRow } from '../store/accounts.ts'
import type { Conn } from '../store/database.ts'
import { foldLocalpart } from '../store/tombstones.ts'

/**
 * The user that a body's `identifier` (or its older `user`) names, as `@localpart:server`, whether or not there is one
 * (client-server API, "Identifier types"). Undefined where nobody is named. Throws `M_FORBIDDEN` for e-mail addresses and
 * telephone numbers, which no account has, and `M_UNKNOWN` (400) for other types.
 */
export function identifiedUser(body: JsonObject, serverName: string): string | undefined {
  const identifier = memberOf(body, 'identifier')
  if (!isJsonObject(identifier)) {
    if (memberOf(body, 'medium') !== undefined && memberOf(body, 'address') !== undefined) throw unknownThirdParty()
    return userIdFrom(memberOf(body, 'user'), serverName)
  }
  switch (memberOf(identifier, 'type')) {
    case 'm.id.user':
      return userIdFrom(memberOf(identifier, 'user'), serverName)
    case 'm.id.thirdparty':
    case 'm.id.phone':
      throw unknownThirdParty()
    case undefined:
      if (memberOf(identifier, 'medium') !== undefined) throw unknownThirdParty()
      return userIdFrom(memberOf(identifier, 'user'), serverName)
    default:
      throw new MatrixError('M_UNKNOWN', 'Unknown identifier type', {}, 400)
  }
}

function userIdFrom(user: Json | undefined, serverName: string): string | undefined {
  if (typeof user !== 'string' || user === '') return undefined
  return user.startsWith('@') ? user : `@${user}:${serverName}`
}

/** One answer whether or not somebody has that address. */
function unknownThirdParty(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'Invalid username or password')
}

/** The local account of an identified user: exactly as written, else in lower case. */
export async function findIdentifiedAccount(conn: Conn, userId: string): Promise<AccountRow | undefined> {
  const exact = await findAccountByUserId(conn, userId)
  if (exact !== undefined) return exact
  const colon = userId.indexOf(':')
  if (colon < 0) return undefined
  return findAccountByUserId(conn, foldLocalpart(userId.slice(0, colon)) + userId.slice(colon))
}
