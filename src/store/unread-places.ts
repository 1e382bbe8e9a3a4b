import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'
import type { OwnReceipt } from './receipts.ts'
import { mainThread, ownEvents } from './unread.ts'
import type { Deviation } from './unread.ts'

/** A user in a room, as row ids. */
export type PlacePair = readonly [userNid: number, roomNid: number]

const places = (engine: string) =>
  engine === 'sqlite'
    ? `with w as materialized (select json_extract(value, '$[0]') as user_nid, json_extract(value, '$[1]') as room_nid from json_each(:places))`
    : `with w as materialized (select (value->>0)::bigint as user_nid, (value->>1)::bigint as room_nid from jsonb_array_elements(:places::jsonb))`
const by = (engine: string, index: string) => (engine === 'sqlite' ? `indexed by ${index}` : '')

const receipts = sqlQuery<{ places: readonly PlacePair[] }, OwnReceipt & { readonly user_nid: number }>(
  'listPlaceReceipts',
  ({ engine }) => `${places(engine)}
    select r.user_nid as user_nid, r.room_nid as room_nid, r.thread_id as thread_id, r.ord as ord
    from w cross join receipts r where r.room_nid = w.room_nid and r.user_nid = w.user_nid
      and r.type in ('m.read', 'm.read.private') and r.ord is not null`,
)
const deviations = sqlQuery<{ places: readonly PlacePair[] }, Deviation & { readonly user_nid: number }>(
  'listPlaceDeviations',
  ({ engine }) => `${places(engine)}
    select n.user_nid as user_nid, n.room_nid as room_nid, n.thread_id as thread_id, n.ord as ord,
      n.highlight as highlight, n.differs as differs, e.sender_nid as sender_nid
    from w cross join user_notifications n cross join events e
    where n.user_nid = w.user_nid and n.room_nid = w.room_nid and e.event_nid = n.event_nid
      and e.redacted_by is null and e.pruned_ts is null`,
  { bools: ['highlight'] },
)
const threads = sqlQuery<{ places: readonly PlacePair[] }, { user_nid: number; room_nid: number; own: string | null }>(
  'listPlaceThreads',
  ({ engine }) => `${places(engine)}
    select w.user_nid as user_nid, w.room_nid as room_nid, (
      select ${engine === 'sqlite' ? 'json_group_object(thread, ord)' : 'json_object_agg(thread, ord)::text'} from (
        select coalesce(thread_id, '${mainThread}') as thread, max(ord) as ord from (
          select e.thread_id, e.ord from events e ${by(engine, 'events_by_sender')}
          where e.sender_nid = w.user_nid and e.room_nid = w.room_nid and e.ord > 0
          order by e.event_nid desc limit ${ownEvents}) mine
        group by coalesce(thread_id, '${mainThread}')) newest) as own
    from w`,
)
const notifying = sqlQuery<{ roomNid: number; base: number; most: number }, NotifyingEvent>(
  'listNotifying',
  ({ engine }) => `select * from (
      select thread_id, ord, sender_nid from events ${by(engine, 'events_notifying')}
      where room_nid = :roomNid and thread_id is null and notify_ord is not null and ord > :base
        and redacted_by is null and pruned_ts is null
      order by ord desc limit :most) main
    union all
    select * from (
      select thread_id, ord, sender_nid from events ${by(engine, 'events_notifying_in_threads')}
      where room_nid = :roomNid and thread_id is not null and notify_ord is not null and ord > :base
        and redacted_by is null and pruned_ts is null
      order by ord desc limit :most) threads`,
)

/** An event that notifies by default. */
export interface NotifyingEvent {
  /** null: of the main timeline */
  readonly thread_id: string | null
  readonly ord: number
  readonly sender_nid: number
}

/** How far users have read in rooms. */
export function listPlaceReceipts(conn: Conn, pairs: readonly PlacePair[]) {
  return receipts(conn, { places: pairs })
}

/** What users are told of in another way than by default in rooms; without what was redacted. */
export function listPlaceDeviations(conn: Conn, pairs: readonly PlacePair[]) {
  return deviations(conn, { places: pairs })
}

/** Of users in rooms, the place of their own last event by thread, as far as their newest events tell. */
export async function listPlaceThreads(
  conn: Conn,
  pairs: readonly PlacePair[],
): Promise<{ user_nid: number; room_nid: number; ordByThread: ReadonlyMap<string, number> }[]> {
  return (await threads(conn, { places: pairs })).map(({ user_nid, room_nid, own }) => ({
    user_nid,
    room_nid,
    ordByThread: own === null || own === '{}' ? nowhere : new Map(Object.entries(JSON.parse(own) as object)),
  }))
}

const nowhere: ReadonlyMap<string, number> = new Map()

/** The newest events of a room after an `ord` that notify by default: at most so many of the main timeline, and so many of threads. */
export function listNotifying(conn: Conn, roomNid: number, ord: number, most: number): Promise<NotifyingEvent[]> {
  return notifying(conn, { roomNid, base: ord, most })
}
