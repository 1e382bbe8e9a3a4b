import { MatrixError } from '../protocol/errors.ts'
import type { UserId } from '../protocol/ids.ts'
import { findAccount } from '../store/accounts.ts'
import type { AccountRow } from '../store/accounts.ts'
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
  if (senderNid === undefined || account === undefined) throw noAccount()
  if (!mayBeDeactivated) assertIsActive(account)
  return senderNid
}

/** Throws `M_USER_DEACTIVATED` or `M_USER_LOCKED` for an account that may not send. */
export function assertIsActive(account: Pick<AccountRow, 'deactivated_ts' | 'erased_ts' | 'locked'>): void {
  if (account.deactivated_ts !== null || account.erased_ts !== null)
    throw new MatrixError('M_USER_DEACTIVATED', 'This account has been deactivated')
  if (account.locked) throw new MatrixError('M_USER_LOCKED', 'This account has been locked', { soft_logout: true })
}

/** The error for a sender who has no account here. */
export function noAccount(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'The sender has no account here')
}
