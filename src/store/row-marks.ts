import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

/** A room's timeline up to an `ord`, as row ids. */
export type TimelineTop = readonly [roomNid: number, ord: number]

/** What may change about an event of the timeline, and which one it is. */
export interface RowMark {
  readonly eventNid: number
  /** neither redacted nor pruned */
  readonly isWhole: boolean
  readonly hasChildren: boolean
}

// all of a room in one row: handing over a row for each event costs more than finding them
const mark = `x.event_nid * 4 + (case when x.redacted_by is null and x.pruned_ts is null then 2 else 0 end)
  + (case when exists (select 1 from relations r where r.parent_event_id = x.event_id) then 1 else 0 end) as mark`
const newest = (roomNid: string, ord: string) => `select ${mark} from events x
  where x.room_nid = ${roomNid} and x.ord is not null and x.ord <= ${ord} order by x.ord desc limit :most`

const tops = sqlQuery<
  { tops: readonly TimelineTop[]; most: number },
  { room_nid: number | string; marks: string | null }
>('listTimelineMarks', {
  sqlite: `select json_extract(p.value, '$[0]') as room_nid, (select group_concat(n.mark) from (
      ${newest("json_extract(p.value, '$[0]')", "json_extract(p.value, '$[1]')")}) n) as marks from json_each(:tops) p`,
  postgres: `select p->>0 as room_nid, (select string_agg(n.mark::text, ',') from (
      ${newest('(p->>0)::bigint', '(p->>1)::bigint')}) n) as marks from jsonb_array_elements(:tops::jsonb) p`,
})
const changed = sqlQuery<{ nids: readonly number[] }, { event_nid: number }>('listChangedRows', ({ engine, list }) =>
  engine === 'sqlite'
    ? `select e.event_nid as event_nid from json_each(:nids) j cross join events e
       where e.event_nid = j.value and (e.redacted_by is not null or e.pruned_ts is not null or e.ord is null)`
    : `select e.event_nid as event_nid from events e where e.event_nid in ${list('nids', 'int')}
       and (e.redacted_by is not null or e.pruned_ts is not null or e.ord is null)`,
)

/** By row id of the room the events of its timeline at or before the `ord`, the newest `most`, in no particular order. */
export async function listTimelineMarks(
  conn: Conn,
  of: readonly TimelineTop[],
  most: number,
): Promise<Map<number, RowMark[]>> {
  const found = new Map<number, RowMark[]>()
  if (of.length === 0) return found
  for (const { room_nid: roomNid, marks } of await tops(conn, { tops: of, most }))
    if (marks !== null) found.set(Number(roomNid), marks.split(',').map(parseMark))
  return found
}

function parseMark(text: string): RowMark {
  const mark = Number(text)
  const flags = mark % 4
  return { eventNid: (mark - flags) / 4, isWhole: flags >= 2, hasChildren: flags % 2 === 1 }
}

/** Those of the events that are redacted, pruned or not in the timeline. */
export async function listChangedRows(conn: Conn, nids: readonly number[]): Promise<Set<number>> {
  if (nids.length === 0) return new Set()
  return new Set((await changed(conn, { nids })).map(({ event_nid: nid }) => nid))
}
