import type { Conn } from './database.ts'
import type { EventRow } from './events.ts'
import { sqlQuery } from './query.ts'

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
  readonly has_children?: boolean
}

// of a row of the timeline each column costs as much as finding it: only what is shown or decides what is shown
const columns = `e.event_nid as event_nid, e.event_id as event_id, e.type as type, e.state_key_nid as state_key_nid,
  e.sender_nid as sender_nid, e.origin_server_ts as origin_server_ts, e.ord as ord, e.writer as writer, e.pos as pos,
  e.state_before as state_before, e.state_after as state_after, e.current_after as current_after, e.rejected as rejected,
  e.soft_failed as soft_failed, e.backfilled as backfilled, e.local as local, e.redacted_by as redacted_by,
  e.pruned_ts as pruned_ts, e.json as json`
const hasChildren = 'exists (select 1 from relations r where r.parent_event_id = e.event_id) as has_children'
const bools = { bools: ['soft_failed', 'backfilled', 'local', 'has_children'] }

const back = sqlQuery<{ roomNid: number; ord: number; most: number }, ReadRow>(
  'listTimelineBack',
  `select ${columns}, ${hasChildren} from events e
   where e.room_nid = :roomNid and e.ord is not null and e.ord <= :ord order by e.ord desc limit :most`,
  bools,
)
const forward = sqlQuery<{ roomNid: number; ord: number; most: number }, ReadRow>(
  'listTimelineForward',
  `select ${columns}, ${hasChildren} from events e
   where e.room_nid = :roomNid and e.ord is not null and e.ord > :ord order by e.ord asc limit :most`,
  bools,
)
const byNids = sqlQuery<{ nids: readonly number[] }, ReadRow>(
  'listReadRows',
  ({ list }) => `select ${columns} from events e where e.event_nid in ${list('nids', 'int')}`,
  bools,
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
