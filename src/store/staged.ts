import { eq } from 'drizzle-orm'
import { staged_events } from '../../schema/tables/events.ts'
import type { EventId, RoomId, ServerName } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { query, sqlQuery, sqlRun } from './query.ts'

const insertRows = insertMany(
  'insertStagedEvents',
  staged_events,
  ['origin_nid', 'room_id', 'event_id', 'sender', 'json', 'received_ts'],
  { onConflict: 'nothing' },
)
const list = query<{ roomId: string }>('listStagedEvents')(({ db, t, p }) =>
  db
    .select()
    .from(t(staged_events))
    .where(eq(t(staged_events).room_id, p.roomId))
    .orderBy(t(staged_events).staged_nid),
)
const countOf = sqlQuery<{ roomId: string; originNid: number }, { count: number }>(
  'countStagedEvents',
  'select count(*) as count from staged_events where room_id = :roomId and origin_nid = :originNid',
)
const listOrigins = sqlQuery<{ beforeTs: number }, { room_id: string; name: string }>(
  'listStagedOrigins',
  `select distinct s.room_id, o.name from staged_events s join servers o on o.server_nid = s.origin_nid
   where s.received_ts < :beforeTs`,
)
const listRooms = query('listStagedRooms')(({ db, t }) =>
  db.selectDistinct({ roomId: t(staged_events).room_id }).from(t(staged_events)),
)
const remove = sqlRun<{ roomId: string; eventIds: readonly string[] }>(
  'deleteStagedEvents',
  ({ list: listOf }) =>
    `delete from staged_events where room_id = :roomId and event_id in ${listOf('eventIds', 'text')}`,
)

/** A PDU that was taken and not yet judged. */
export interface NewStaged {
  readonly originNid: number
  readonly roomId: RoomId
  readonly eventId: EventId
  readonly sender: string
  readonly json: string
  readonly receivedTs: number
}

/** A row of `staged_events`. */
export type StagedRow = Awaited<ReturnType<typeof list>>[number]

/** Keeps PDUs until they are judged; those that are kept already stay. */
export async function insertStaged(tx: Tx, staged: readonly NewStaged[]): Promise<void> {
  await insertRows(
    tx,
    staged.map((row) => ({
      origin_nid: row.originNid,
      room_id: row.roomId,
      event_id: row.eventId,
      sender: row.sender,
      json: row.json,
      received_ts: row.receivedTs,
    })),
  )
}

/** The PDUs of a room that wait, in the order in which they came. */
export function listStaged(conn: Conn, roomId: RoomId): Promise<StagedRow[]> {
  return list(conn, { roomId })
}

/** The rooms that PDUs wait for. */
export async function listStagedRooms(conn: Conn): Promise<RoomId[]> {
  return (await listRooms(conn)).map(({ roomId }) => roomId as RoomId)
}

/** How many PDUs of a server wait in a room. */
export async function countStaged(conn: Conn, roomId: RoomId, originNid: number): Promise<number> {
  return Number((await countOf.first(conn, { roomId, originNid }))?.count ?? 0)
}

/** Where the PDUs come from that wait since before a time, and the rooms that they are of. */
export async function listStagedOrigins(
  conn: Conn,
  beforeTs: number,
): Promise<{ roomId: RoomId; origin: ServerName }[]> {
  const rows = await listOrigins(conn, { beforeTs })
  return rows.map(({ room_id: roomId, name }) => ({ roomId: roomId as RoomId, origin: name as ServerName }))
}

/** These PDUs of a room were judged. */
export async function deleteStaged(tx: Tx, roomId: RoomId, eventIds: readonly EventId[]): Promise<void> {
  if (eventIds.length > 0) await remove(tx, { roomId, eventIds })
}
