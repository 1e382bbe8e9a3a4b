import { listDeactivatedMembers } from '../store/accounts.ts'
import { deleteOldAudit } from '../store/audit.ts'
import { deleteDeviceAddresses } from '../store/devices.ts'
import { deleteExpiredShortTokens } from '../store/short-tokens.ts'
import { deleteExpiredTokens } from '../store/tokens.ts'
import { deleteOldTransactions } from '../store/event-transactions.ts'
import { deleteOldUiaSessions } from '../store/uia.ts'
import type { AccountsDeps, Departure } from './deps.ts'
import { uiaLifetimeMs } from './uia.ts'

const dayMs = 86_400_000
const transactionsMs = 2 * dayMs
const auditMs = 180 * dayMs
// an expired access token stays a while, so that its client learns that it only expired
const expiredTokenMs = 7 * dayMs

/** How many rows of each kind a sweep removed. */
export interface Swept {
  readonly sessions: number
  readonly transactions: number
  readonly addresses: number
  readonly tokens: number
}

/**
 * Removes what has outlived its time: half-finished authentication after an hour, transaction ids after two days,
 * addresses as configured, tokens that expired, decisions after 180 days. To be called every few minutes.
 */
export async function sweepAccounts(deps: Pick<AccountsDeps, 'database' | 'clock' | 'config'>): Promise<Swept> {
  const now = deps.clock.now()
  const { addressesMs } = deps.config.privacy.retain
  const sessions = await deps.database.write((tx) => deleteOldUiaSessions(tx, now - uiaLifetimeMs))
  let transactions = 0
  for (let deleted = 1; deleted > 0; transactions += deleted)
    deleted = await deps.database.write((tx) => deleteOldTransactions(tx, now - transactionsMs))
  const addresses = await deps.database.write((tx) => deleteDeviceAddresses(tx, now - addressesMs))
  const tokens = await deps.database.write(
    async (tx) => (await deleteExpiredTokens(tx, now - expiredTokenMs)) + (await deleteExpiredShortTokens(tx, now)),
  )
  await deps.database.write((tx) => deleteOldAudit(tx, now - auditMs))
  return { sessions, transactions, addresses, tokens }
}

const mostAtOnce = 100

/** Lets deactivated accounts leave the rooms that they are still in: what a crash or an unreachable server left undone. */
export async function finishDeactivations(
  deps: Pick<AccountsDeps, 'database' | 'log'>,
  departure: Pick<Departure, 'leaveAllRooms'>,
): Promise<void> {
  let after = 0
  for (;;) {
    const page = await deps.database.read((conn) => listDeactivatedMembers(conn, after, mostAtOnce))
    const last = page.at(-1)
    if (last === undefined) return
    // by row id: those who cannot leave now do not stand in the way of those behind them
    after = last.userNid
    for (const account of page)
      try {
        await departure.leaveAllRooms(account)
      } catch (error) {
        deps.log.warn('a deactivated account could not leave its rooms yet', { userNid: account.userNid, error })
      }
  }
}
