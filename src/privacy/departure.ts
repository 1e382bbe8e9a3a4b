import type { Departure } from '../accounts/deps.ts'
import { findAccountByUserId } from '../store/accounts.ts'
import { leaveAllRooms } from '../rooms/leave.ts'
import type { PrivacyDeps } from './deps.ts'
import { requestErasure } from './erasure/request.ts'

/** What accounts ask for when one of them ends. */
export function makeDeparture(deps: PrivacyDeps): Departure {
  return {
    recordDeactivation: ({ userId, ts }) =>
      deps.journal.begin({ kind: 'deactivation', ts, user: userId }, async (conn) => {
        const account = await findAccountByUserId(conn, userId)
        return account !== undefined && account.deactivated_ts !== null
      }),
    async leaveAllRooms(account) {
      const failed = await leaveAllRooms(deps, account)
      // what was held only by this account is held no more
      deps.eraser.holdersChanged()
      if (failed > 0) throw new Error(`${failed} rooms could not be left`)
    },
    async erase({ userId }) {
      const { receipt } = await requestErasure(deps, { userId, by: 'self' })
      return { receipt }
    },
  }
}
