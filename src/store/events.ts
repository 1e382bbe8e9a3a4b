import { eq } from 'drizzle-orm'
import { events } from '../../schema/tables/events.ts'
import type { EventId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { insertOne, query, sqlQuery, sqlRun } from './query.ts'

/** A whole row of `events`. */
export type EventRow = NonNullable<Awaited<ReturnType<typeof findById.first>>>

/** What a new row is made of. */
export type NewEvent = Omit<EventRow, 'event_nid' | 'redacted_by' | 'current_after'>

const findById = query<{ eventId: string }>('findEventById')(({ db, t, p }) =>
  db
    .select()
    .from(t(events))
    .where(eq(t(events).event_id, p.eventId)),
)
const listByNids = query<{ nids: readonly number[] }>('listEventsByNids')(({ db, t, p, anyOf }) =>
  db
    .select()
    .from(t(events))
    .where(anyOf(t(events).event_nid, p.nids)),
)
const listTextsByNids = query<{ nids: readonly number[] }>('listEventTexts')(({ db, t, p, anyOf }) => {
  const e = t(events)
  return db
    .select({ event_nid: e.event_nid, event_id: e.event_id, json: e.json })
    .from(e)
    .where(anyOf(e.event_nid, p.nids))
})
const listByIds = query<{ eventIds: readonly string[] }>('listEventsByIds')(({ db, t, p, anyOf }) =>
  db
    .select()
    .from(t(events))
    .where(anyOf(t(events).event_id, p.eventIds)),
)
const listKnown = query<{ eventIds: readonly string[] }>('listKnownEvents')(({ db, t, p, anyOf }) => {
  const e = t(events)
  return db
    .select({
      eventNid: e.event_nid,
      eventId: e.event_id,
      roomNid: e.room_nid,
      stateKeyNid: e.state_key_nid,
      stateBefore: e.state_before,
      stateAfter: e.state_after,
      outlier: e.outlier,
      rejected: e.rejected,
      softFailed: e.soft_failed,
      depth: e.depth,
      ord: e.ord,
    })
    .from(e)
    .where(anyOf(e.event_id, p.eventIds))
})
const listEdgeRows = query<{ nids: readonly number[] }>('listAuthEdges')(({ db, t, p, anyOf }) => {
  const e = t(events)
  return db
    .select({ nid: e.event_nid, stateKeyNid: e.state_key_nid, edges: e.auth_edges, rejected: e.rejected })
    .from(e)
    .where(anyOf(e.event_nid, p.nids))
})
const listIds = query<{ nids: readonly number[] }>('listEventIds')(({ db, t, p, anyOf }) => {
  const e = t(events)
  return db.select({ nid: e.event_nid, eventId: e.event_id }).from(e).where(anyOf(e.event_nid, p.nids))
})

const insert = insertOne<{ [K in keyof NewEvent]: NewEvent[K] }>('insertEvent')(({ db, t, p }) => ({
  nid: t(events).event_nid,
  insert: db.insert(t(events)).values({
    event_id: p.event_id,
    room_nid: p.room_nid,
    type: p.type,
    state_key_nid: p.state_key_nid,
    sender_nid: p.sender_nid,
    origin_server_ts: p.origin_server_ts,
    depth: p.depth,
    ord: p.ord,
    writer: p.writer,
    pos: p.pos,
    state_before: p.state_before,
    state_after: p.state_after,
    outlier: p.outlier,
    rejected: p.rejected,
    soft_failed: p.soft_failed,
    backfilled: p.backfilled,
    partial_state: p.partial_state,
    local: p.local,
    redacted_by: null,
    pruned_ts: p.pruned_ts,
    thread_id: p.thread_id,
    notify_ord: p.notify_ord,
    auth_edges: p.auth_edges,
    received_ts: p.received_ts,
    json: p.json,
  }),
}))
const columns = [
  'event_id',
  'room_nid',
  'type',
  'state_key_nid',
  'sender_nid',
  'origin_server_ts',
  'depth',
  'ord',
  'writer',
  'pos',
  'state_before',
  'state_after',
  'outlier',
  'rejected',
  'soft_failed',
  'backfilled',
  'partial_state',
  'local',
  'redacted_by',
  'pruned_ts',
  'thread_id',
  'notify_ord',
  'auth_edges',
  'received_ts',
  'json',
] as const
const insertRows = insertMany('insertEvents', events, ['event_nid', ...columns])
const insertRun = insertMany('insertEventRun', events, columns, { returning: ['event_nid', 'event_id'] })
const setStateAfter = query<{ nid: number; stateAfter: number }>('setStateAfter')(({ db, t, p }) =>
  db
    .update(t(events))
    .set({ state_after: p.stateAfter })
    .where(eq(t(events).event_nid, p.nid)),
)
const setCurrentAfter = query<{ nid: number; group: number }>('setCurrentAfter')(({ db, t, p }) =>
  db
    .update(t(events))
    .set({ current_after: p.group })
    .where(eq(t(events).event_nid, p.nid)),
)
const place = query<{
  nid: number
  ord: number | null
  writer: number
  pos: number
  stateBefore: number
  stateAfter: number
  rejected: string | null
  softFailed: boolean
  backfilled: boolean
  threadId: string | null
  notifyOrd: number | null
}>('placeOutlier')(({ db, t, p }) =>
  db
    .update(t(events))
    .set({
      ord: p.ord,
      writer: p.writer,
      pos: p.pos,
      state_before: p.stateBefore,
      state_after: p.stateAfter,
      outlier: false,
      rejected: p.rejected,
      soft_failed: p.softFailed,
      backfilled: p.backfilled,
      thread_id: p.threadId,
      notify_ord: p.notifyOrd,
    })
    .where(eq(t(events).event_nid, p.nid)),
)
const prune = query<{ nid: number; json: string; ts: number }>('pruneEvent')(({ db, t, p }) =>
  db
    .update(t(events))
    .set({ json: p.json, pruned_ts: p.ts })
    .where(eq(t(events).event_nid, p.nid)),
)
const redact = query<{ nid: number; json: string; ts: number; redactedBy: number }>('redactEvent')(({ db, t, p }) =>
  db
    .update(t(events))
    .set({ json: p.json, pruned_ts: p.ts, redacted_by: p.redactedBy })
    .where(eq(t(events).event_nid, p.nid)),
)
const reserve = sqlQuery<{ count: number }, { nid: number }>('reserveEventNids', {
  // AUTOINCREMENT goes on after the highest rowid that was inserted
  sqlite: `with recursive n(i) as (select 1 union all select i + 1 from n where i < :count)
    select coalesce((select seq from sqlite_sequence where name = 'events'), 0) + i as nid from n`,
  postgres: `select nextval(pg_get_serial_sequence('events', 'event_nid'))::bigint as nid
    from generate_series(1, :count::bigint)`,
})
const atPlace = sqlQuery<{ roomNid: number; stateKeyNid: number }, { nid: number }>(
  'findEventAtPlace',
  `select event_nid as nid from events
    where state_key_nid = :stateKeyNid and room_nid = :roomNid and rejected is null limit 1`,
)
const neighbour = sqlQuery<{ roomNid: number; ord: number }, { ord: number | null }>(
  'findOrdBelow',
  'select max(ord) as ord from events where room_nid = :roomNid and ord < :ord and ord is not null',
)
const dropNotification = sqlRun<{ nid: number }>(
  'deleteUserNotifications',
  'delete from user_notifications where event_nid = :nid',
)

/** Whether the room has a state event for this place that was not rejected, be it an outlier. Looks through all rooms' events for the place: not for common ones. */
export async function isPlaceTaken(conn: Conn, roomNid: number, stateKeyNid: number): Promise<boolean> {
  return (await atPlace.first(conn, { roomNid, stateKeyNid })) !== undefined
}

/** The row of an event. */
export function findEventById(conn: Conn, eventId: EventId): Promise<EventRow | undefined> {
  return findById.first(conn, { eventId })
}

/** The rows of events, in no particular order. */
export function listEvents(conn: Conn, nids: readonly number[]): Promise<EventRow[]> {
  return nids.length === 0 ? Promise.resolve([]) : listByNids(conn, { nids })
}

/** The texts of events by row id, in no particular order: what an event is made of. */
export function listEventTexts(
  conn: Conn,
  nids: readonly number[],
): Promise<Pick<EventRow, 'event_nid' | 'event_id' | 'json'>[]> {
  return nids.length === 0 ? Promise.resolve([]) : listTextsByNids(conn, { nids })
}

/** The rows of those of the events that are stored, in no particular order. */
export function listEventsByIds(conn: Conn, eventIds: readonly EventId[]): Promise<EventRow[]> {
  return eventIds.length === 0 ? Promise.resolve([]) : listByIds(conn, { eventIds })
}

/** What judging other events needs to know of a stored event. */
export type KnownEvent = Awaited<ReturnType<typeof listKnown>>[number]

/** Those of the events that are stored, by event id. */
export async function listKnownEvents(conn: Conn, eventIds: readonly EventId[]): Promise<Map<EventId, KnownEvent>> {
  if (eventIds.length === 0) return new Map()
  return new Map((await listKnown(conn, { eventIds })).map((row) => [row.eventId as EventId, row]))
}

/** Auth edges (packed), state key and rejection of events. */
export function listAuthEdges(conn: Conn, nids: readonly number[]): ReturnType<typeof listEdgeRows> {
  return listEdgeRows(conn, { nids })
}

/** Event ids by row id. */
export async function listEventIds(conn: Conn, nids: readonly number[]): Promise<Map<number, EventId>> {
  if (nids.length === 0) return new Map()
  return new Map((await listIds(conn, { nids })).map(({ nid, eventId }) => [nid, eventId as EventId]))
}

/** Stores an event; gives its row id. */
export function insertEvent(tx: Tx, event: NewEvent): Promise<number> {
  return insert(tx, event)
}

/** Stores events in this order; gives their row ids, ascending. */
export async function insertEventRun(tx: Tx, rows: readonly NewEvent[]): Promise<number[]> {
  const nids: number[] = []
  if (tx.engine === 'sqlite') {
    // a prepared insert of a row costs less there than to take the row out of a JSON value
    for (const row of rows) nids.push(await insert(tx, row))
    return nids
  }
  const made = await insertRun(
    tx,
    rows.map((row) => ({ ...row, redacted_by: null })),
  )
  const nidOf = new Map(made.map(({ event_id: id, event_nid: nid }) => [id, nid]))
  return rows.map(({ event_id: id }) => nidOf.get(id) as number)
}

/** Row ids for `count` events to be stored by `insertEvents` in the same transaction, ascending. */
export async function reserveEventNids(tx: Tx, count: number): Promise<number[]> {
  if (count === 0) return []
  return (await reserve(tx, { count })).map(({ nid }) => nid).sort((a, b) => a - b)
}

/** Stores events under reserved row ids by one statement. */
export async function insertEvents(
  tx: Tx,
  rows: readonly Omit<EventRow, 'redacted_by' | 'current_after'>[],
): Promise<void> {
  await insertRows(
    tx,
    rows.map((row) => ({ ...row, redacted_by: null })),
  )
}

/** The state group after a state event. */
export async function putStateAfter(tx: Tx, nid: number, stateAfter: number): Promise<void> {
  await setStateAfter(tx, { nid, stateAfter })
}

/** The state group of the room's current state after a live event, where the event's own is another. */
export async function putCurrentAfter(tx: Tx, nid: number, group: number): Promise<void> {
  await setCurrentAfter(tx, { nid, group })
}

/** What makes an outlier part of the room's graph. */
export interface Placement {
  readonly nid: number
  readonly ord: number | null
  readonly writer: number
  readonly pos: number
  readonly stateBefore: number
  readonly stateAfter: number
  readonly rejected: string | null
  readonly softFailed: boolean
  readonly backfilled: boolean
  readonly threadId: string | null
  readonly notifyOrd: number | null
}

/** Makes an outlier part of the room's graph, and, with an `ord`, of its timeline. */
export async function placeOutlier(tx: Tx, placement: Placement): Promise<void> {
  await place(tx, placement)
}

/** Replaces the stored text of an event by what pruning left of it. */
export async function pruneEventRow(tx: Tx, nid: number, json: string, ts: number): Promise<void> {
  await prune(tx, { nid, json, ts })
}

/** Replaces the stored text of an event by what the redaction left of it, and names the redaction. */
export async function redactEventRow(
  tx: Tx,
  redacted: { nid: number; json: string; ts: number; redactedBy: number },
): Promise<void> {
  await redact(tx, redacted)
}

/** The highest `ord` of the room below this one, undefined where there is none. */
export async function findOrdBelow(conn: Conn, roomNid: number, ord: number): Promise<number | undefined> {
  return (await neighbour.first(conn, { roomNid, ord }))?.ord ?? undefined
}

/** Forgets whom an event notified in another way than by default. */
export async function deleteNotificationsOfEvent(tx: Tx, nid: number): Promise<void> {
  await dropNotification(tx, { nid })
}

/** The row of an event, undefined where it is not stored. */
export async function findEvent(conn: Conn, nid: number): Promise<EventRow | undefined> {
  return (await listByNids(conn, { nids: [nid] }))[0]
}
