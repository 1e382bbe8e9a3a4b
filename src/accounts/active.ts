import { MatrixError } from '../protocol/errors.ts'
import { findAccount } from '../store/accounts.ts'
import type { AccountRow } from '../store/accounts.ts'
import type { Conn, Database, Tx } from '../store/database.ts'
import { user as userLock } from '../store/locks.ts'
import { unknownToken } from './session.ts'

async function assertActive(conn: Conn, userNid: number): Promise<AccountRow> {
  const account = await findAccount(conn, userNid)
  if (account === undefined || account.deactivated_ts !== null || account.erased_ts !== null) throw unknownToken()
  return account
}

/**
 * A write for a user whose account is active, and stays so until it is committed: the end of an account, in whichever
 * process, comes before it or deletes what it wrote. Throws `M_UNKNOWN_TOKEN`.
 */
export function writeAsUser<T>(
  { database }: { readonly database: Database },
  userNid: number,
  fn: (tx: Tx, account: AccountRow) => Promise<T>,
): Promise<T> {
  return database.write(async (tx) => fn(tx, await assertActive(tx, userNid)), { locks: [userLock(userNid)] })
}

/** Throws `M_FORBIDDEN` where somebody asks in another user's name. */
export function assertSelf(requester: { readonly userId: string }, userId: string, what: string): void {
  if (requester.userId !== userId) throw new MatrixError('M_FORBIDDEN', `You can only use your own ${what}`)
}
