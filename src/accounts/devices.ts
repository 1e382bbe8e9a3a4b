import { MatrixError } from '../protocol/errors.ts'
import { deleteDevices, findDevice, listDevices, listHostsSharingRooms, putDeviceName } from '../store/devices.ts'
import type { DeviceRow } from '../store/devices.ts'
export type { DeviceRow } from '../store/devices.ts'
import type { Tx } from '../store/database.ts'
import { deleteTokensOfDevices } from '../store/tokens.ts'
import { deleteTransactionsOfDevices } from '../store/event-transactions.ts'
import { writeAsUser } from './active.ts'
import type { AccountsDeps } from './deps.ts'
import { assertDeviceName } from './issue.ts'
import type { Requester } from './requester.ts'

type Deps = Pick<AccountsDeps, 'database' | 'sessions' | 'outbound' | 'changes'>

/** The devices of a user, exactly as they are stored (P13). */
export async function devicesOf(deps: Pick<Deps, 'database'>, requester: Requester): Promise<DeviceRow[]> {
  return deps.database.read((conn) => listDevices(conn, requester.userNid))
}

/** One device of a user. Throws `M_NOT_FOUND`. */
export async function getDevice(
  deps: Pick<Deps, 'database'>,
  requester: Requester,
  deviceId: string,
): Promise<DeviceRow> {
  const device = await deps.database.read((conn) => findDevice(conn, requester.userNid, deviceId))
  if (device === undefined) throw noDevice()
  return device
}

/** Renames a device. Throws `M_NOT_FOUND`, `M_INVALID_PARAM`. */
export async function renameDevice(
  deps: Deps,
  requester: Requester,
  deviceId: string,
  name: string | undefined,
): Promise<void> {
  assertDeviceName(name)
  await writeAsUser(deps, requester.userNid, async (tx) => {
    const device = await findDevice(tx, requester.userNid, deviceId)
    if (device === undefined) throw noDevice()
    if (name !== undefined) await putDeviceName(tx, requester.userNid, deviceId, name)
  })
}

/** Removes devices, their tokens and what belongs to them; those that do not exist are passed over. */
export async function removeDevices(
  deps: Deps,
  user: { readonly userNid: number; readonly userId: string },
  deviceIds: readonly string[],
): Promise<void> {
  await deps.database.write((tx) => endDevices(tx, deps, user, deviceIds))
}

/** As `removeDevices`, inside a transaction. Other servers in the user's rooms are told. */
export async function endDevices(
  tx: Tx,
  deps: Pick<AccountsDeps, 'sessions' | 'outbound' | 'changes'>,
  user: { readonly userNid: number; readonly userId: string },
  deviceIds: readonly string[],
): Promise<void> {
  const { userNid, userId } = user
  const known = new Set((await listDevices(tx, userNid)).map(({ device_id: id }) => id))
  const ended = [...new Set(deviceIds)].filter((id) => known.has(id))
  await deleteTokensOfDevices(tx, userNid, deviceIds)
  await deps.sessions.invalidate(tx)
  if (ended.length === 0) return
  await deleteTransactionsOfDevices(tx, userNid, ended)
  await deleteDevices(tx, userNid, ended)
  const hosts = await listHostsSharingRooms(tx, userNid)
  if (hosts.length > 0)
    for (const deviceId of ended) {
      const content = { user_id: userId, device_id: deviceId, stream_id: tx.nextPosition(), prev_id: [], deleted: true }
      await deps.outbound.queueEdu(tx, hosts, 'm.device_list_update', userNid, content)
    }
  tx.afterCommit(() => deps.changes.announce({ userNids: [userNid] }))
}

function noDevice(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such device')
}
