import { and, eq } from 'drizzle-orm'
import { room_hosts, servers } from '../../schema/tables/rooms.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { query, sqlReturning } from './query.ts'

const list = query<{ roomNid: number }>('listRoomHosts')(({ db, t, p }) => {
  const [h, s] = [t(room_hosts), t(servers)]
  return db
    .select({ serverNid: h.server_nid, name: s.name, joined: h.joined, members: h.members })
    .from(h)
    .innerJoin(s, eq(s.server_nid, h.server_nid))
    .where(eq(h.room_nid, p.roomNid))
})
const find = query<{ roomNid: number; serverNid: number }>('findRoomHost')(({ db, t, p }) => {
  const h = t(room_hosts)
  return db
    .select()
    .from(h)
    .where(and(eq(h.room_nid, p.roomNid), eq(h.server_nid, p.serverNid)))
})
// the number of joined members is a running one, so that a leave needs no look at the other members
const change = sqlReturning<{ roomNid: number; serverNid: number; by: number; ts: number }, { members: number }>(
  'changeRoomHost',
  {
    sqlite: `insert into room_hosts (room_nid, server_nid, joined, members, first_ts)
      values (:roomNid, :serverNid, :by > 0, max(0, :by), :ts)
      on conflict (room_nid, server_nid) do update set
        members = max(0, room_hosts.members + :by), joined = room_hosts.members + :by > 0
      returning members`,
    postgres: `insert into room_hosts (room_nid, server_nid, joined, members, first_ts)
      values (:roomNid, :serverNid, :by::bigint > 0, greatest(0, :by::bigint), :ts)
      on conflict (room_nid, server_nid) do update set
        members = greatest(0, room_hosts.members + :by::bigint), joined = room_hosts.members + :by::bigint > 0
      returning members`,
  },
)

/** A server that is or was in a room. */
export interface RoomHost {
  readonly serverNid: number
  readonly name: ServerName
  readonly joined: boolean
  readonly members: number
}

/** Every server that was ever in a room. */
export async function listRoomHosts(conn: Conn, roomNid: number): Promise<RoomHost[]> {
  return (await list(conn, { roomNid })).map((row) => ({ ...row, name: row.name as ServerName }))
}

/** Whether a server has a joined member in a room now. */
export async function isHostJoined(conn: Conn, roomNid: number, serverNid: number): Promise<boolean> {
  return (await find.first(conn, { roomNid, serverNid }))?.joined ?? false
}

/** Counts members of a server that joined (`by` > 0) or left a room, or with 0 notes that it took part; gives how many are joined now. */
export async function changeRoomHost(
  tx: Tx,
  changed: { readonly roomNid: number; readonly serverNid: number; readonly by: number; readonly ts: number },
): Promise<number> {
  return (await change.first(tx, changed))?.members ?? 0
}
