import { MatrixError } from '../protocol/errors.ts'
import type { UserId } from '../protocol/ids.ts'
import { findAccount } from '../store/accounts.ts'
import { insertAudit } from '../store/audit.ts'
import type { Tx } from '../store/database.ts'
import { user as userLock } from '../store/locks.ts'
import type { AccountsDeps, Departure } from './deps.ts'
import { endAccount } from './end-account.ts'

type Deps = Pick<AccountsDeps, 'database' | 'clock' | 'sessions' | 'outbound' | 'changes' | 'log'>

/** Who ends an account, and why; undefined: its owner. */
export interface Decision {
  /** user id of the administrator, or `operator` */
  readonly actor: string
  readonly reason: string | undefined
}

/**
 * Deactivates an account for ever, without erasing what it wrote (`POST /account/deactivate`). When this returns nobody
 * can use it; its rooms are left soon after. An account that has ended stays as it is. Throws `M_NOT_FOUND`.
 */
export async function deactivateAccount(
  deps: Deps,
  departure: Pick<Departure, 'recordDeactivation' | 'leaveAllRooms'>,
  user: { readonly userNid: number; readonly userId: UserId },
  decision?: Decision,
): Promise<void> {
  const { userNid, userId } = user
  const account = await deps.database.read((conn) => findAccount(conn, userNid))
  if (account === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such account')
  if (account.deactivated_ts !== null) return
  const ts = deps.clock.now()
  const record = await departure.recordDeactivation({ userId, ts })
  const end = async (tx: Tx): Promise<void> => {
    await record.inTransaction(tx)
    await endAccount(tx, deps, { userNid, userId, reason: 'deactivated', ts })
    if (decision === undefined) return
    const { actor, reason } = decision
    await insertAudit(tx, { ts, actor, action: 'deactivate', target: userId, reason: reason ?? null })
  }
  try {
    await deps.database.write(end, { locks: [userLock(userNid)] })
  } catch (error) {
    await record.abandoned()
    throw error
  }
  void departure.leaveAllRooms({ userId, userNid }).catch((error: unknown) => {
    deps.log.error('a deactivated account could not leave its rooms yet', { userNid, error })
  })
}
