import { MatrixError } from '../protocol/errors.ts'
import type { UserId } from '../protocol/ids.ts'
import { findAccountByUserId, putAccountFlags } from '../store/accounts.ts'
import type { AccountRow } from '../store/accounts.ts'
export type { AccountRow } from '../store/accounts.ts'
import { insertAudit } from '../store/audit.ts'
import type { AccountsDeps } from './deps.ts'

/** What an operator decides of an account (client-server API, "Account moderation"). */
export type Flag = 'locked' | 'suspended' | 'admin'

type Deps = Pick<AccountsDeps, 'database' | 'clock' | 'sessions'>

/**
 * Sets or clears a flag, and records who did it. It holds for the next request. Throws `M_NOT_FOUND` for unknown and
 * deactivated accounts.
 */
export async function setFlag(
  deps: Deps,
  decision: { readonly actor: string; readonly reason?: string | undefined },
  userId: UserId,
  flag: Flag,
  value: boolean,
): Promise<void> {
  const ts = deps.clock.now()
  await deps.database.write(async (tx) => {
    const account = await findAccountByUserId(tx, userId)
    if (account === undefined || account.deactivated_ts !== null) throw noAccount()
    if (account[flag] === value) return
    const { locked, suspended, admin } = account
    await putAccountFlags(tx, account.user_nid, { locked, suspended, admin, [flag]: value })
    const action = value ? flag : `not ${flag}`
    await insertAudit(tx, { ts, actor: decision.actor, action, target: userId, reason: decision.reason ?? null })
    await deps.sessions.invalidate(tx)
  })
}

/** An account by user id. Throws `M_NOT_FOUND`. */
export async function getAccount(deps: Pick<Deps, 'database'>, userId: UserId): Promise<AccountRow> {
  const account = await deps.database.read((conn) => findAccountByUserId(conn, userId))
  if (account === undefined) throw noAccount()
  return account
}

function noAccount(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such account')
}
