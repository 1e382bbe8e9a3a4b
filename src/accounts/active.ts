import { MatrixError } from '../protocol/errors.ts'
import { findAccount } from '../store/accounts.ts'
import type { AccountRow } from '../store/accounts.ts'
import type { Conn } from '../store/database.ts'
import { unknownToken } from './session.ts'

/**
 * The account of a requester as it is in this very transaction: whatever is written for a user asks here first, so that
 * nothing is written once the account has ended. Throws `M_UNKNOWN_TOKEN`.
 */
export async function assertActive(conn: Conn, userNid: number): Promise<AccountRow> {
  const account = await findAccount(conn, userNid)
  if (account === undefined || account.deactivated_ts !== null || account.erased_ts !== null) throw unknownToken()
  return account
}

/** Throws `M_FORBIDDEN` where somebody asks in another user's name. */
export function assertSelf(requester: { readonly userId: string }, userId: string, what: string): void {
  if (requester.userId !== userId) throw new MatrixError('M_FORBIDDEN', `You can only use your own ${what}`)
}
