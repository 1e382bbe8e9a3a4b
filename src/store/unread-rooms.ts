import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'
import type { Engine } from './statement.ts'
import { mainThread, mostCounted, ownEvents } from './unread.ts'

/** A room, the place up to which all of it is read, and places up to which threads of it are. */
export type UnreadRoom = readonly [
  roomNid: number,
  base: number,
  floors: readonly (readonly [thread: string, ord: number])[],
]

const wanted = (engine: Engine) =>
  engine === 'sqlite'
    ? `w(room_nid, base, floors) as materialized (
        select json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') from json_each(:rooms)),
      given(room_nid, thread, ord) as (
        select w.room_nid, json_extract(f.value, '$[0]'), json_extract(f.value, '$[1]') from w cross join json_each(w.floors) f)`
    : `w(room_nid, base, floors) as materialized (
        select (value->>0)::bigint, (value->>1)::bigint, value->2 from jsonb_array_elements(:rooms::jsonb)),
      given(room_nid, thread, ord) as (
        select w.room_nid, f.value->>0, (f.value->>1)::bigint from w cross join lateral jsonb_array_elements(w.floors) f)`
const by = (engine: Engine, index: string) => (engine === 'sqlite' ? `indexed by ${index}` : '')
const newest = (engine: Engine) => `select x.event_nid from events x ${by(engine, 'events_by_sender')}
  where x.sender_nid = :userNid and x.room_nid = w.room_nid and x.ord > 0 order by x.event_nid desc limit ${ownEvents}`

// kind 0: unread in a thread; kind 1: where the user's own last event in a thread is
const counts = sqlQuery<
  { userNid: number; rooms: readonly UnreadRoom[]; silent: readonly number[] },
  { room_nid: number; kind: number; thread: string; n: number | string }
>('countUnreadOfRooms', ({ engine, list }) => {
  const isCounted = `e.notify_ord is not null and e.redacted_by is null and e.pruned_ts is null
    and e.sender_nid not in ${list('silent', 'int')}`
  return `with ${wanted(engine)},
    own(room_nid, thread, ord) as materialized (
      select w.room_nid, coalesce(e.thread_id, '${mainThread}'), max(e.ord) from w cross join
        ${engine === 'sqlite' ? `events e where e.event_nid in (${newest(engine)})` : `lateral (${newest(engine)}) y join events e on e.event_nid = y.event_nid`}
      group by w.room_nid, coalesce(e.thread_id, '${mainThread}')),
    floors(room_nid, thread, ord) as materialized (
      select room_nid, thread, max(ord) from (select * from given union all select * from own) f group by room_nid, thread)
    select w.room_nid as room_nid, 0 as kind, '${mainThread}' as thread, (
      select count(*) from (
        select 1 from events e ${by(engine, 'events_notifying')}
        where e.room_nid = w.room_nid and e.thread_id is null and e.ord > w.base and e.ord > coalesce(m.ord, 0) and ${isCounted}
        limit ${mostCounted + 1}) unread) as n
      from w left join floors m on m.room_nid = w.room_nid and m.thread = '${mainThread}'
    union all
    select w.room_nid, 0, e.thread_id, count(*) from w cross join events e ${by(engine, 'events_notifying_in_threads')}
      left join floors t on t.room_nid = e.room_nid and t.thread = e.thread_id
      where e.room_nid = w.room_nid and e.thread_id is not null and e.ord > w.base and e.ord > coalesce(t.ord, 0) and ${isCounted}
      group by w.room_nid, e.thread_id
    union all
    select room_nid, 1, thread, ord from own`
})

/** What unread counts of a room are made of. */
export interface UnreadCounts {
  /** Notifying events by thread; of the main timeline at most `mostCounted + 1`. */
  readonly byThread: ReadonlyMap<string, number>
  /** The user's own last event by thread, as `ord`. */
  readonly own: ReadonlyMap<string, number>
}

/**
 * Counts, of each room and by its row id, events that notify by default and come after all of: the room's base, the floor
 * of their thread, the user's own last event in it (of the user's newest `ownEvents`). Events of `silent` senders, pruned and
 * redacted ones do not count. One statement for all rooms.
 */
export async function countUnreadOfRooms(
  conn: Conn,
  userNid: number,
  rooms: readonly UnreadRoom[],
  silent: readonly number[],
): Promise<Map<number, UnreadCounts>> {
  const found = new Map<number, { byThread: Map<string, number>; own: Map<string, number> }>()
  if (rooms.length === 0) return found
  for (const { room_nid: roomNid, kind, thread, n } of await counts(conn, { userNid, rooms, silent })) {
    let room = found.get(roomNid)
    if (room === undefined) found.set(roomNid, (room = { byThread: new Map(), own: new Map() }))
    const counted = Number(kind) === 0 ? room.byThread : room.own
    counted.set(thread, Number(n))
  }
  return found
}
