import { asc, eq } from 'drizzle-orm'
import { room_aliases } from '../../schema/tables/rooms.ts'
import type { RoomAlias, RoomId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { query, sqlRun } from './query.ts'

const find = query<{ alias: string }>('find_room_alias')(({ db, t, p }) =>
  db
    .select()
    .from(t(room_aliases))
    .where(eq(t(room_aliases).alias, p.alias)),
)
const list = query<{ roomId: string }>('list_room_aliases')(({ db, t, p }) =>
  db
    .select({ alias: t(room_aliases).alias })
    .from(t(room_aliases))
    .where(eq(t(room_aliases).room_id, p.roomId))
    .orderBy(asc(t(room_aliases).alias)),
)
const insert = query<{ alias: string; roomId: string; creatorNid: number | null; ts: number }>('insert_room_alias')(
  ({ db, t, p }) =>
    db
      .insert(t(room_aliases))
      .values({ alias: p.alias, room_id: p.roomId, creator_nid: p.creatorNid, created_ts: p.ts })
      .onConflictDoNothing(),
)
const remove = query<{ alias: string }>('delete_room_alias')(({ db, t, p }) =>
  db.delete(t(room_aliases)).where(eq(t(room_aliases).alias, p.alias)),
)
const move = query<{ from: string; to: string }>('move_room_aliases')(({ db, t, p }) =>
  db
    .update(t(room_aliases))
    .set({ room_id: p.to })
    .where(eq(t(room_aliases).room_id, p.from)),
)

/** A room address of this server; `creatorNid` is gone once its creator is erased. */
export interface AliasRow {
  readonly alias: RoomAlias
  readonly roomId: RoomId
  readonly creatorNid: number | null
}

/** The room of an address of this server. */
export async function findRoomAlias(conn: Conn, alias: RoomAlias): Promise<AliasRow | undefined> {
  const row = await find.first(conn, { alias })
  return row && { alias, roomId: row.room_id as RoomId, creatorNid: row.creator_nid }
}

/** The addresses of this server that lead to a room. */
export async function listRoomAliases(conn: Conn, roomId: RoomId): Promise<RoomAlias[]> {
  return (await list(conn, { roomId })).map(({ alias }) => alias as RoomAlias)
}

/** Makes an address; false where it exists. */
export async function insertRoomAlias(tx: Tx, alias: AliasRow, ts: number): Promise<boolean> {
  return (await insert(tx, { ...alias, ts })) > 0
}

/** Removes an address; false where there was none. */
export async function deleteRoomAlias(tx: Tx, alias: RoomAlias): Promise<boolean> {
  return (await remove(tx, { alias })) > 0
}

/** Lets all addresses of a room lead to another one. */
export async function moveRoomAliases(tx: Tx, from: RoomId, to: RoomId): Promise<void> {
  await move(tx, { from, to })
}

const removeOfEmpty = sqlRun<{ roomId: string; roomNid: number }>(
  'deleteAliasesOfEmptyRoom',
  `delete from room_aliases where room_id = :roomId
     and not exists (select 1 from memberships where room_nid = :roomNid and membership = 'join')`,
)

/** Deletes the aliases of a room in which nobody is left; gives how many. */
export function deleteAliasesOfEmptyRoom(tx: Tx, roomId: RoomId, roomNid: number): Promise<number> {
  return removeOfEmpty(tx, { roomId, roomNid })
}
