import { MatrixError } from '../protocol/errors.ts'
import type { UserId } from '../protocol/ids.ts'
import { findAccount } from '../store/accounts.ts'
import type { Tx } from '../store/database.ts'
import type { RoomsDeps } from './deps.ts'

/**
 * The row id of a local user who may send now: the account is looked at in the same transaction as the write.
 * Throws `M_USER_DEACTIVATED` or `M_USER_LOCKED`, and `M_FORBIDDEN` where there is no such account. With
 * `mayBeDeactivated` the user's own leaving, redacting and giving up of power after a deactivation pass.
 */
export async function assertMaySend(
  tx: Tx,
  deps: Pick<RoomsDeps, 'roomCache'>,
  sender: UserId,
  mayBeDeactivated: boolean,
): Promise<number> {
  const senderNid = await deps.roomCache.userNid(tx, sender)
  const account = senderNid === undefined ? undefined : await findAccount(tx, senderNid)
  if (senderNid === undefined || account === undefined)
    throw new MatrixError('M_FORBIDDEN', 'The sender has no account here')
  if (mayBeDeactivated) return senderNid
  if (account.deactivated_ts !== null || account.erased_ts !== null)
    throw new MatrixError('M_USER_DEACTIVATED', 'This account has been deactivated')
  if (account.locked) throw new MatrixError('M_USER_LOCKED', 'This account has been locked', { soft_logout: true })
  return senderNid
}
