import type { EventId } from '../protocol/ids.ts'
import type { Conn, StreamVector } from './database.ts'
import { sqlQuery } from './query.ts'
import type { Engine } from './statement.ts'

/** What readers look at of an event before its text. */
export interface EventMeta {
  readonly event_nid: number
  readonly event_id: EventId
  readonly room_nid: number
  readonly type: string
  readonly state_key_nid: number | null
  readonly sender_nid: number
  readonly origin_server_ts: number
  readonly depth: number
  readonly ord: number | null
  readonly writer: number
  readonly pos: number
  readonly state_before: number | null
  readonly state_after: number | null
  readonly current_after: number | null
  /** rejected, soft-failed or an outlier: in nobody's timeline */
  readonly hidden: boolean
  readonly rejected: boolean
  readonly backfilled: boolean
  readonly redacted_by: number | null
  readonly pruned_ts: number | null
  readonly thread_id: EventId | null
}

/** The stored text of an event, and whether it is what was sent. */
export interface EventText {
  readonly event_nid: number
  readonly event_id: EventId
  readonly json: string
  readonly pruned_ts: number | null
}

const columns = `e.event_nid, e.event_id, e.room_nid, e.type, e.state_key_nid, e.sender_nid, e.origin_server_ts, e.depth, e.ord,
  e.writer, e.pos, e.state_before, e.state_after, e.current_after,
  (e.rejected is not null or e.soft_failed or e.outlier) as hidden, (e.rejected is not null) as rejected, e.backfilled,
  e.redacted_by, e.pruned_ts, e.thread_id`
const bools = { bools: ['hidden', 'rejected', 'backfilled'] }

/** SQL for "at or before a vector": `vector` is the name of a parameter made by `vectorParam`. */
export function isUpTo(engine: Engine, alias: string, vector: string): string {
  return `${alias}.pos <= ${positionIn(engine, alias, vector)}`
}

/** SQL for "after a vector". */
export function isAfter(engine: Engine, alias: string, vector: string): string {
  return `${alias}.pos > ${positionIn(engine, alias, vector)}`
}

// SQLite has one writer: a constant, so that it is looked up once for a statement and not once for a row
function positionIn(engine: Engine, alias: string, vector: string): string {
  return engine === 'sqlite'
    ? `coalesce(json_extract(:${vector}, '$."1"'), 0)`
    : `coalesce((:${vector}::jsonb ->> ${alias}.writer::text)::bigint, 0)`
}

/** A vector as the parameter that `isUpTo` and `isAfter` ask for. */
export function vectorParam(vector: StreamVector): string {
  return JSON.stringify(Object.fromEntries(vector))
}

/** Whether a position is at or before a vector. */
export function isInVector(vector: StreamVector, row: { readonly writer: number; readonly pos: number }): boolean {
  return row.pos <= (vector.get(row.writer) ?? 0)
}

const byNids = sqlQuery<{ nids: readonly number[] }, EventMeta>(
  'read_events_by_nid',
  ({ list }) => `select ${columns} from events e where e.event_nid in ${list('nids', 'int')}`,
  bools,
)
const byIds = sqlQuery<{ ids: readonly string[] }, EventMeta>(
  'read_events_by_id',
  ({ list }) => `select ${columns} from events e where e.event_id in ${list('ids', 'text')}`,
  bools,
)
const below = sqlQuery<{ roomNid: number; ord: number; most: number }, EventMeta>(
  'read_timeline_below',
  `select ${columns} from events e where e.room_nid = :roomNid and e.ord is not null and e.ord < :ord order by e.ord desc limit :most`,
  bools,
)
const from = sqlQuery<{ roomNid: number; ord: number; most: number }, EventMeta>(
  'read_timeline_from',
  `select ${columns} from events e where e.room_nid = :roomNid and e.ord is not null and e.ord >= :ord order by e.ord limit :most`,
  bools,
)
const newestLive = sqlQuery<{ roomNid: number; most: number }, EventMeta>(
  'read_newest_live',
  `select ${columns} from events e where e.room_nid = :roomNid and e.ord is not null and e.ord > 0 and not e.backfilled
   order by e.ord desc limit :most`,
  bools,
)
const lastLive = sqlQuery<{ roomNid: number; vector: string }, EventMeta>(
  'read_last_live',
  ({ engine }) =>
    `select ${columns} from events e where e.room_nid = :roomNid and e.ord is not null and e.ord > 0 and not e.backfilled
     and ${isUpTo(engine, 'e', 'vector')} order by e.ord desc limit 1`,
  bools,
)
const lastBefore = sqlQuery<{ roomNid: number; ord: number }, EventMeta>(
  'read_last_before',
  `select ${columns} from events e where e.room_nid = :roomNid and e.ord is not null and e.ord < :ord
   order by e.ord desc limit 1`,
  bools,
)
const texts = sqlQuery<{ nids: readonly number[] }, EventText>(
  'read_event_texts',
  ({ list }) => `select event_nid, event_id, json, pruned_ts from events where event_nid in ${list('nids', 'int')}`,
)
const transactions = sqlQuery<{ nids: readonly number[]; userNid: number; deviceId: string }, { event_nid: number; txn_id: string }>(
  'read_event_transactions',
  ({ list }) =>
    `select event_nid, txn_id from event_transactions
     where event_nid in ${list('nids', 'int')} and user_nid = :userNid and device_id = :deviceId`,
)
const gaps = sqlQuery<{ roomNid: number }, { event_id: EventId; ord: number | null }>(
  'read_gaps',
  `select b.event_id, e.ord from backward_extremities b join events e on e.event_nid = b.referrer_nid where b.room_nid = :roomNid`,
)

/** Events by row id, in no particular order. */
export function listMetas(conn: Conn, nids: readonly number[]): Promise<EventMeta[]> {
  return nids.length === 0 ? Promise.resolve([]) : byNids(conn, { nids })
}

/** Events by event id, in no particular order. */
export function listMetasByIds(conn: Conn, ids: readonly EventId[]): Promise<EventMeta[]> {
  return ids.length === 0 ? Promise.resolve([]) : byIds(conn, { ids })
}

/** The timeline below an `ord`, newest first. */
export function listBelow(conn: Conn, roomNid: number, ord: number, most: number): Promise<EventMeta[]> {
  return below(conn, { roomNid, ord, most })
}

/** The timeline from an `ord` on, oldest first. */
export function listFrom(conn: Conn, roomNid: number, ord: number, most: number): Promise<EventMeta[]> {
  return from(conn, { roomNid, ord, most })
}

/** The newest events that came live, newest first. */
export function listNewestLive(conn: Conn, roomNid: number, most: number): Promise<EventMeta[]> {
  return newestLive(conn, { roomNid, most })
}

/** The newest live event that a vector covers. */
export function findLastLive(conn: Conn, roomNid: number, vector: StreamVector): Promise<EventMeta | undefined> {
  return lastLive.first(conn, { roomNid, vector: vectorParam(vector) })
}

/** The event of the timeline right below an `ord`. */
export function findLastBefore(conn: Conn, roomNid: number, ord: number): Promise<EventMeta | undefined> {
  return lastBefore.first(conn, { roomNid, ord })
}

/** Stored texts of events, in no particular order. */
export function listTexts(conn: Conn, nids: readonly number[]): Promise<EventText[]> {
  return nids.length === 0 ? Promise.resolve([]) : texts(conn, { nids })
}

/** Transaction ids of those of the events that this very device sent. */
export async function listTransactionIds(
  conn: Conn,
  nids: readonly number[],
  device: { readonly userNid: number; readonly deviceId: string },
): Promise<Map<number, string>> {
  if (nids.length === 0) return new Map()
  return new Map((await transactions(conn, { nids, ...device })).map((row) => [row.event_nid, row.txn_id]))
}

/** The places (`ord`) of events whose predecessors are not stored; null for what has no place. */
export function listGaps(conn: Conn, roomNid: number): Promise<{ event_id: EventId; ord: number | null }[]> {
  return gaps(conn, { roomNid })
}

/** The room's state after a live event as its members saw it. */
export function currentGroupAt(meta: EventMeta | undefined): number {
  return meta?.current_after ?? meta?.state_after ?? 0
}
