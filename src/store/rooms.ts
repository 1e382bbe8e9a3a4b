import { and, eq, sql } from 'drizzle-orm'
import { rooms } from '../../schema/tables/rooms.ts'
import type { RoomId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

const findById = query<{ roomId: string }>('findRoomById')(({ db, t, p }) =>
  db
    .select()
    .from(t(rooms))
    .where(eq(t(rooms).room_id, p.roomId)),
)
const findByNid = query<{ roomNid: number }>('findRoomByNid')(({ db, t, p }) =>
  db
    .select()
    .from(t(rooms))
    .where(eq(t(rooms).room_nid, p.roomNid)),
)
const findRevision = query<{ roomNid: number }>('findRoomRevision')(({ db, t, p }) =>
  db
    .select({ revision: t(rooms).revision })
    .from(t(rooms))
    .where(eq(t(rooms).room_nid, p.roomNid)),
)
const insert = query<{ roomId: string; version: string; partialState: boolean }>('insertRoom')(({ db, t, p }) =>
  db
    .insert(t(rooms))
    .values({ room_id: p.roomId, version: p.version, partial_state: p.partialState, published: false })
    .onConflictDoNothing()
    .returning({ nid: t(rooms).room_nid }),
)
const advance = query<{
  roomNid: number
  revision: number
  nextOrd: number
  nextBackOrd: number
  currentGroup: number
  lastLocalNid: number
}>('advanceRoom')(({ db, t, p }) =>
  db
    .update(t(rooms))
    .set({
      revision: sql`${t(rooms).revision} + 1`,
      next_ord: p.nextOrd,
      next_back_ord: p.nextBackOrd,
      current_group: p.currentGroup,
      last_local_nid: p.lastLocalNid,
    })
    .where(and(eq(t(rooms).room_nid, p.roomNid), eq(t(rooms).revision, p.revision))),
)
const publish = query<{ roomNid: number; published: boolean }>('publishRoom')(({ db, t, p }) =>
  db
    .update(t(rooms))
    .set({ published: p.published })
    .where(eq(t(rooms).room_nid, p.roomNid)),
)

const setVersion = query<{ roomNid: number; version: string }>('setRoomVersion')(({ db, t, p }) =>
  db
    .update(t(rooms))
    .set({ version: p.version })
    .where(eq(t(rooms).room_nid, p.roomNid)),
)

/** A row of `rooms`. */
export type RoomRow = NonNullable<Awaited<ReturnType<typeof findById.first>>>

/** What of the version row an append moves. */
export interface RoomAdvance {
  readonly roomNid: number
  /** the revision that the append was made from */
  readonly revision: number
  readonly nextOrd: number
  readonly nextBackOrd: number
  readonly currentGroup: number
  readonly lastLocalNid: number
}

/** The version row of a room. */
export function findRoomById(conn: Conn, roomId: RoomId): Promise<RoomRow | undefined> {
  return findById.first(conn, { roomId })
}

/** The version row of a room, by row id. */
export function findRoom(conn: Conn, roomNid: number): Promise<RoomRow | undefined> {
  return findByNid.first(conn, { roomNid })
}

/** The revision of a room as the database has it now. */
export async function findRoomRevisionOf(conn: Conn, roomNid: number): Promise<number | undefined> {
  return (await findRevision.first(conn, { roomNid }))?.revision
}

/** Makes the version row of a new room; undefined where the room exists. */
export async function insertRoom(
  tx: Tx,
  room: { readonly roomId: RoomId; readonly version: string; readonly partialState: boolean },
): Promise<number | undefined> {
  return (await insert.first(tx, { roomId: room.roomId, version: room.version, partialState: room.partialState }))?.nid
}

/** Moves a room to its next revision; false where it is no longer at the revision named. */
export async function advanceRoom(tx: Tx, advanced: RoomAdvance): Promise<boolean> {
  return (await advance(tx, advanced)) === 1
}

/** Lists the room in the public directory, or takes it out. */
export async function putRoomPublished(tx: Tx, roomNid: number, published: boolean): Promise<void> {
  await publish(tx, { roomNid, published })
}

/** Corrects the version of a room without state. */
export async function putRoomVersion(tx: Tx, roomNid: number, version: string): Promise<void> {
  await setVersion(tx, { roomNid, version })
}
