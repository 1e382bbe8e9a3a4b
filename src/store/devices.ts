import { and, asc, eq, isNotNull, lt, or } from 'drizzle-orm'
import { devices } from '../../schema/tables/users.ts'
import type { Conn, Tx } from './database.ts'
import { query, sqlQuery } from './query.ts'

/** A session of a user, as its owner may see it (P13). */
export interface DeviceRow {
  readonly user_nid: number
  readonly device_id: string
  readonly display_name: string | null
  readonly created_ts: number
  readonly last_seen_ts: number | null
  /** masked before it was stored */
  readonly last_seen_address: string | null
  readonly user_agent: string | null
}

const find = query<{ userNid: number; deviceId: string }>('find_device')(({ db, t, p }) =>
  db
    .select()
    .from(t(devices))
    .where(and(eq(t(devices).user_nid, p.userNid), eq(t(devices).device_id, p.deviceId))),
)

const list = query<{ userNid: number }>('list_devices')(({ db, t, p }) =>
  db
    .select()
    .from(t(devices))
    .where(eq(t(devices).user_nid, p.userNid))
    .orderBy(asc(t(devices).device_id)),
)

const insert = query<{ userNid: number; deviceId: string; displayName: string | null; ts: number }>('insert_device')(
  ({ db, t, p }) =>
    db
      .insert(t(devices))
      .values({
        user_nid: p.userNid,
        device_id: p.deviceId,
        display_name: p.displayName,
        created_ts: p.ts,
        last_seen_ts: null,
        last_seen_address: null,
        user_agent: null,
      })
      .onConflictDoNothing(),
)

const rename = query<{ userNid: number; deviceId: string; displayName: string | null }>('put_device_name')(
  ({ db, t, p }) =>
    db
      .update(t(devices))
      .set({ display_name: p.displayName })
      .where(and(eq(t(devices).user_nid, p.userNid), eq(t(devices).device_id, p.deviceId))),
)

const seen = query<{ userNid: number; deviceId: string; ts: number; address: string | null; agent: string | null }>(
  'put_device_seen',
)(({ db, t, p }) =>
  db
    .update(t(devices))
    .set({ last_seen_ts: p.ts, last_seen_address: p.address, user_agent: p.agent })
    .where(and(eq(t(devices).user_nid, p.userNid), eq(t(devices).device_id, p.deviceId))),
)

const remove = query<{ userNid: number; deviceIds: readonly string[] }>('delete_devices')(({ db, t, p, anyOf }) =>
  db.delete(t(devices)).where(and(eq(t(devices).user_nid, p.userNid), anyOf(t(devices).device_id, p.deviceIds))),
)

const forgetAddresses = query<{ before: number }>('delete_device_addresses')(({ db, t, p }) =>
  db
    .update(t(devices))
    .set({ last_seen_address: null, user_agent: null })
    .where(
      and(
        lt(t(devices).last_seen_ts, p.before),
        isNotNull(t(devices).last_seen_ts),
        or(isNotNull(t(devices).last_seen_address), isNotNull(t(devices).user_agent)),
      ),
    ),
)

const hosts = sqlQuery<{ userNid: number }, { server_nid: number }>(
  'list_hosts_sharing_rooms',
  `select distinct h.server_nid from memberships m join room_hosts h on h.room_nid = m.room_nid
   where m.user_nid = :userNid and m.membership = 'join' and h.joined
     and h.server_nid <> (select server_nid from users where user_nid = :userNid)`,
)

/** A device of a user, or undefined. */
export async function findDevice(conn: Conn, userNid: number, deviceId: string): Promise<DeviceRow | undefined> {
  return find.first(conn, { userNid, deviceId })
}

/** All devices of a user. */
export async function listDevices(conn: Conn, userNid: number): Promise<DeviceRow[]> {
  return list(conn, { userNid })
}

/** Makes a device; false where the user has one of that id: it stays as it is. */
export async function insertDevice(
  tx: Tx,
  device: {
    readonly userNid: number
    readonly deviceId: string
    readonly displayName: string | null
    readonly ts: number
  },
): Promise<boolean> {
  return (await insert(tx, device)) > 0
}

/** Renames a device; false where there is none. */
export async function putDeviceName(
  tx: Tx,
  userNid: number,
  deviceId: string,
  displayName: string | null,
): Promise<boolean> {
  return (await rename(tx, { userNid, deviceId, displayName })) > 0
}

/** When, whence (masked) and with what a device was last used; a device that is gone stays gone. */
export async function putDeviceSeen(
  tx: Tx,
  sight: {
    readonly userNid: number
    readonly deviceId: string
    readonly ts: number
    readonly address: string | null
    readonly agent: string | null
  },
): Promise<void> {
  await seen(tx, sight)
}

/** Removes devices; gives how many there were. */
export async function deleteDevices(tx: Tx, userNid: number, deviceIds: readonly string[]): Promise<number> {
  return remove(tx, { userNid, deviceIds })
}

/** Forgets addresses and user agents of devices last seen before `before`; gives how many. */
export async function deleteDeviceAddresses(tx: Tx, before: number): Promise<number> {
  return forgetAddresses(tx, { before })
}

/** Other servers that are now in a room with the user: those that are told of the user's devices. */
export async function listHostsSharingRooms(conn: Conn, userNid: number): Promise<number[]> {
  return (await hosts(conn, { userNid })).map(({ server_nid: nid }) => nid)
}
