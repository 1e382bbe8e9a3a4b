import type { Conn } from './database.ts'
import type { EventRow } from './events.ts'
import { sqlQuery } from './query.ts'
import type { Engine } from './statement.ts'
import { decodeText } from './text-codec.ts'

/** What showing an event needs of its row. */
export type ReadRow = Pick<
  EventRow,
  | 'event_nid'
  | 'event_id'
  | 'type'
  | 'state_key_nid'
  | 'sender_nid'
  | 'origin_server_ts'
  | 'ord'
  | 'writer'
  | 'pos'
  | 'state_before'
  | 'state_after'
  | 'current_after'
  | 'rejected'
  | 'soft_failed'
  | 'backfilled'
  | 'local'
  | 'redacted_by'
  | 'pruned_ts'
  | 'json'
> & {
  /** false: nothing relates to it; undefined: nobody has looked */
  readonly has_children?: boolean | undefined
}

// of a row of the timeline each column costs as much as finding it: only what is shown or decides what is shown, flags and
// the writer in one number, and what few events have in one list
const columns = (engine: Engine, withChildren: boolean) => {
  const int = (flag: string) => (engine === 'sqlite' ? flag : `(${flag})::int`)
  const list = engine === 'sqlite' ? ['json_array', ''] : ['json_build_array', '::text']
  const children = 'exists (select 1 from relations r where r.parent_event_id = e.event_id)'
  return `e.event_nid, e.event_id, e.type, e.state_key_nid, e.sender_nid, e.origin_server_ts, e.ord, e.pos, e.state_before,
    ${int('e.soft_failed')} + ${int('e.backfilled')} * 2 + ${int('e.local')} * 4
      + ${withChildren ? `${int(children)} * 8` : '0'} + e.writer * 16,
    case when e.state_after is not distinct from e.state_before and e.current_after is null and e.rejected is null
      and e.redacted_by is null and e.pruned_ts is null then null
      else ${list[0]}(e.state_after, e.current_after, e.rejected, e.redacted_by, e.pruned_ts)${list[1]} end,
    e.json`
}

type Rare = readonly [
  stateAfter: number | null,
  currentAfter: number | null,
  rejected: string | null,
  redactedBy: number | null,
  prunedTs: number | null,
]

const decode =
  (withChildren: boolean) =>
  (row: readonly unknown[]): ReadRow => {
    const [before, flags, rare] = [row[8] as number | null, row[9] as number, row[10] as string | null]
    const [after, current, rejected, redactedBy, prunedTs] =
      rare === null ? ([before, null, null, null, null] as const) : (JSON.parse(rare) as Rare)
    return {
      event_nid: row[0] as number,
      event_id: decodeText(row[1] as string),
      type: decodeText(row[2] as string),
      state_key_nid: row[3] as number | null,
      sender_nid: row[4] as number,
      origin_server_ts: row[5] as number,
      ord: row[6] as number | null,
      writer: Math.floor(flags / 16),
      pos: row[7] as number,
      state_before: before,
      state_after: after,
      current_after: current,
      rejected: rejected === null ? null : decodeText(rejected),
      soft_failed: (flags & 1) !== 0,
      backfilled: (flags & 2) !== 0,
      local: (flags & 4) !== 0,
      redacted_by: redactedBy,
      pruned_ts: prunedTs,
      json: decodeText(row[11] as string),
      has_children: withChildren ? (flags & 8) !== 0 : undefined,
    }
  }

const back = sqlQuery<{ roomNid: number; ord: number; most: number }, ReadRow>(
  'listTimelineBack',
  ({ engine }) => `select ${columns(engine, true)} from events e
   where e.room_nid = :roomNid and e.ord is not null and e.ord <= :ord order by e.ord desc limit :most`,
  { decode: decode(true) },
)
const forward = sqlQuery<{ roomNid: number; ord: number; most: number }, ReadRow>(
  'listTimelineForward',
  ({ engine }) => `select ${columns(engine, true)} from events e
   where e.room_nid = :roomNid and e.ord is not null and e.ord > :ord order by e.ord asc limit :most`,
  { decode: decode(true) },
)
const byNids = sqlQuery<{ nids: readonly number[] }, ReadRow>(
  'listReadRows',
  ({ engine, list }) => `select ${columns(engine, false)} from events e where e.event_nid in ${list('nids', 'int')}`,
  { decode: decode(false) },
)

/** Events of the timeline at or before an `ord`, newest first. */
export function listTimelineBack(conn: Conn, roomNid: number, ord: number, most: number): Promise<ReadRow[]> {
  return back(conn, { roomNid, ord, most })
}

/** Events of the timeline after an `ord`, oldest first. */
export function listTimelineForward(conn: Conn, roomNid: number, ord: number, most: number): Promise<ReadRow[]> {
  return forward(conn, { roomNid, ord, most })
}

/** Events by row id, in no particular order. */
export function listReadRows(conn: Conn, nids: readonly number[]): Promise<ReadRow[]> {
  return nids.length === 0 ? Promise.resolve([]) : byNids(conn, { nids })
}
