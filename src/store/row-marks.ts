import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

/** A room's timeline up to an `ord`, as row ids. */
export type TimelineTop = readonly [roomNid: number, ord: number]

/** What may change about an event of the timeline, and which one it is. */
export interface RowMark {
  readonly room_nid: number
  readonly event_nid: number
  /** neither redacted nor pruned */
  readonly whole: boolean
  readonly has_children: boolean
}

const marked = `e.room_nid as room_nid, e.event_nid as event_nid,
  e.redacted_by is null and e.pruned_ts is null as whole,
  exists (select 1 from relations r where r.parent_event_id = e.event_id) as has_children`

const tops = sqlQuery<{ tops: readonly TimelineTop[]; most: number }, RowMark>(
  'listTimelineMarks',
  {
    sqlite: `select ${marked} from json_each(:tops) p cross join events e where e.event_nid in (
        select x.event_nid from events x
        where x.room_nid = json_extract(p.value, '$[0]') and x.ord is not null and x.ord <= json_extract(p.value, '$[1]')
        order by x.ord desc limit :most)`,
    postgres: `select ${marked} from jsonb_array_elements(:tops::jsonb) p cross join lateral (
        select x.* from events x
        where x.room_nid = (p->>0)::bigint and x.ord is not null and x.ord <= (p->>1)::bigint
        order by x.ord desc limit :most) e`,
  },
  { bools: ['whole', 'has_children'] },
)
const changed = sqlQuery<{ nids: readonly number[] }, { event_nid: number }>('listChangedRows', ({ engine, list }) =>
  engine === 'sqlite'
    ? `select e.event_nid as event_nid from json_each(:nids) j cross join events e
       where e.event_nid = j.value and (e.redacted_by is not null or e.pruned_ts is not null or e.ord is null)`
    : `select e.event_nid as event_nid from events e where e.event_nid in ${list('nids', 'int')}
       and (e.redacted_by is not null or e.pruned_ts is not null or e.ord is null)`,
)

/** Of each room the events of the timeline at or before the `ord`, the newest `most`; in no particular order. */
export function listTimelineMarks(conn: Conn, of: readonly TimelineTop[], most: number): Promise<RowMark[]> {
  return of.length === 0 ? Promise.resolve([]) : tops(conn, { tops: of, most })
}

/** Those of the events that are redacted, pruned or not in the timeline. */
export async function listChangedRows(conn: Conn, nids: readonly number[]): Promise<Set<number>> {
  if (nids.length === 0) return new Set()
  return new Set((await changed(conn, { nids })).map(({ event_nid: nid }) => nid))
}
