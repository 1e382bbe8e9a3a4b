import { user_notifications } from '../../schema/tables/rooms.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { sqlQuery, sqlRun } from './query.ts'

/** The name of the main timeline among threads. */
export const mainThread = 'main'

/** More unread events of the main timeline than these are not counted one by one. */
export const mostCounted = 500
/** Of so many newest events of a user it is known in which threads they are. */
export const ownEvents = 30

// without statistics SQLite would go through all events after the floor
const by = (engine: string, index: string) => (engine === 'sqlite' ? `indexed by ${index}` : '')

const lastNotifying = sqlQuery<{ roomNid: number; ord: number }, { notify_ord: number }>(
  'findNotifyOrdAt',
  ({ engine }) => `select notify_ord from events ${by(engine, 'events_notifying')}
    where room_nid = :roomNid and thread_id is null and notify_ord is not null and ord <= :ord order by ord desc limit 1`,
)
// redaction leaves the running number of an event in place
const prunedAfter = sqlQuery<{ roomNid: number; ord: number }, { n: number | string }>(
  'countPrunedNotifying',
  ({ engine }) => `select count(*) as n from events ${by(engine, 'events_notified_pruned')}
    where room_nid = :roomNid and thread_id is null and notify_ord is not null and pruned_ts is not null and ord > :ord`,
)
const members = sqlQuery<{ roomNid: number }, LocalMember>(
  'listNotifiedMembers',
  `select m.user_nid as user_nid, u.user_id as user_id, m.display_name as display_name
   from memberships m join users u on u.user_nid = m.user_nid
   where m.room_nid = :roomNid and m.membership = 'join' and m.local`,
)
const deviations = sqlQuery<{ userNid: number; roomNids: readonly number[] }, Deviation>(
  'listDeviations',
  ({ list }) => `select n.room_nid as room_nid, n.thread_id as thread_id, n.ord as ord, n.highlight as highlight,
      n.differs as differs, e.sender_nid as sender_nid
    from user_notifications n join events e on e.event_nid = n.event_nid
    where n.user_nid = :userNid and n.room_nid in ${list('roomNids', 'int')} and e.redacted_by is null and e.pruned_ts is null`,
  { bools: ['highlight'] },
)
const deleteUnthreaded = sqlRun<{ userNid: number; roomNid: number; ord: number }>(
  'deleteReadNotifications',
  'delete from user_notifications where user_nid = :userNid and room_nid = :roomNid and ord <= :ord',
)
const deleteThreaded = sqlRun<{ userNid: number; roomNid: number; ord: number; threadId: string }>(
  'deleteReadThreadNotifications',
  'delete from user_notifications where user_nid = :userNid and room_nid = :roomNid and ord <= :ord and thread_id = :threadId',
)
const insertRows = insertMany(
  'insertUserNotifications',
  user_notifications,
  ['user_nid', 'room_nid', 'event_nid', 'thread_id', 'ord', 'highlight', 'differs'],
  { onConflict: 'nothing' },
)

/** An event that one user is told of in another way than by default. */
export interface Deviation {
  readonly room_nid: number
  readonly thread_id: string
  readonly ord: number
  readonly highlight: boolean
  /** +1: notifies though not by default; −1: the reverse; 0: as by default */
  readonly differs: number
  readonly sender_nid: number
}

/** The running number of the last notifying event of the main timeline at or before an `ord`; 0 where there is none. */
export async function findNotifyOrdAt(conn: Conn, roomNid: number, ord: number): Promise<number> {
  return (await lastNotifying.first(conn, { roomNid, ord }))?.notify_ord ?? 0
}

/** How many notifying events of the main timeline after an `ord` are gone. */
export async function countPrunedNotifying(conn: Conn, roomNid: number, ord: number): Promise<number> {
  return Number((await prunedAfter.first(conn, { roomNid, ord }))?.n ?? 0)
}

/** One of our own users who is in a room. */
export interface LocalMember {
  readonly user_nid: number
  readonly user_id: string
  readonly display_name: string | null
}

/** Our own users who are in a room. */
export function listNotifiedMembers(conn: Conn, roomNid: number): Promise<LocalMember[]> {
  return members(conn, { roomNid })
}

/** What a user is told of in another way than by default, in some rooms; without what was redacted. */
export function listDeviations(conn: Conn, userNid: number, roomNids: readonly number[]): Promise<Deviation[]> {
  return deviations(conn, { userNid, roomNids })
}

/** Forgets what a user has read: up to an `ord` in one thread, or in all. */
export async function deleteReadNotifications(
  tx: Tx,
  userNid: number,
  roomNid: number,
  read: { readonly ord: number; readonly threadId: string | undefined },
): Promise<void> {
  const { ord, threadId } = read
  if (threadId === undefined) await deleteUnthreaded(tx, { userNid, roomNid, ord })
  else await deleteThreaded(tx, { userNid, roomNid, ord, threadId })
}

/** Rows of `user_notifications`. */
export interface NewDeviation {
  readonly user_nid: number
  readonly room_nid: number
  readonly event_nid: number
  readonly thread_id: string
  readonly ord: number
  readonly highlight: boolean
  readonly differs: number
}

/** Notes whom an event tells in another way than by default. */
export async function insertDeviations(tx: Tx, rows: readonly NewDeviation[]): Promise<void> {
  await insertRows(tx, rows)
}
