import { MatrixError } from '../protocol/errors.ts'
import type { UserId } from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json } from '../protocol/json-types.ts'
import { findAccountData, globalRoom } from '../store/account-data.ts'
import { findAccountByUserId } from '../store/accounts.ts'
import type { Conn } from '../store/database.ts'

/**
 * Throws where a local user cannot be invited: `M_NOT_FOUND` for unknown, deactivated and erased users alike,
 * `M_INVITE_BLOCKED` for users who block invites (client-server API, "Invite permission").
 */
export async function assertInvitable(conn: Conn, userId: UserId): Promise<void> {
  const account = await findAccountByUserId(conn, userId)
  if (account === undefined || account.deactivated_ts !== null || account.erased_ts !== null)
    throw new MatrixError('M_NOT_FOUND', 'User not found')
  const row = await findAccountData(conn, account.user_nid, globalRoom, 'm.invite_permission_config')
  const config: Json = row?.content == null ? {} : (JSON.parse(row.content) as Json)
  if (isJsonObject(config) && memberOf(config, 'default_action') === 'block')
    throw new MatrixError('M_INVITE_BLOCKED', 'The user does not accept invites')
}
