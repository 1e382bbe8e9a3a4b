import { eq } from 'drizzle-orm'
import { staged_events } from '../../schema/tables/events.ts'
import type { EventId, RoomId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { query, sqlRun } from './query.ts'

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

/** These PDUs of a room were judged. */
export async function deleteStaged(tx: Tx, roomId: RoomId, eventIds: readonly EventId[]): Promise<void> {
  if (eventIds.length > 0) await remove(tx, { roomId, eventIds })
}
