import { localpartOf } from '../protocol/ids.ts'
import type { UserId } from '../protocol/ids.ts'
import { putAccountDeactivated } from '../store/accounts.ts'
import type { Tx } from '../store/database.ts'
import { listDevices } from '../store/devices.ts'
import { deleteShortTokensOfUser } from '../store/short-tokens.ts'
import { deleteTokensOfUser } from '../store/tokens.ts'
import { putTombstone } from '../store/tombstones.ts'
import { deleteUiaSessionsOfUser } from '../store/uia.ts'
import { endDevices } from './devices.ts'
import type { AccountsDeps } from './deps.ts'

/**
 * What ends with an account, by deactivation or erasure, in the caller's transaction: password, power, tokens of every
 * kind, half-finished authentication, devices (other servers are told). Its name stays taken (P5).
 */
export async function endAccount(
  tx: Tx,
  deps: Pick<AccountsDeps, 'sessions' | 'outbound' | 'changes'>,
  account: {
    readonly userNid: number
    readonly userId: UserId
    readonly reason: 'deactivated' | 'erased'
    readonly ts: number
  },
): Promise<void> {
  const { userNid, userId, reason, ts } = account
  await putTombstone(tx, { localpart: localpartOf(userId), userId, reason, ts })
  await putAccountDeactivated(tx, userNid, ts)
  await deleteTokensOfUser(tx, userNid)
  await deleteShortTokensOfUser(tx, userNid)
  await deleteUiaSessionsOfUser(tx, userNid)
  const devices = await listDevices(tx, userNid)
  await endDevices(
    tx,
    deps,
    account,
    devices.map(({ device_id: id }) => id),
  )
}
