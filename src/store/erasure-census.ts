import type { Conn, Tx } from './database.ts'
import { sqlQuery, sqlRun } from './query.ts'

const rooms = sqlRun<{ nid: number; userNid: number; keyNid: number }>(
  'insertErasureRooms',
  `insert into erasure_rooms (erasure_nid, room_nid, state)
   select cast(:nid as bigint), room_nid, 'pending' from (
     select room_nid from events where sender_nid = :userNid
     union select room_nid from memberships where user_nid = :userNid
     union select room_nid from events where state_key_nid = :keyNid) x
   where true on conflict do nothing`,
)
const bound = sqlQuery<
  { userNid: number; roomNid: number; eventNid: number; most: number },
  { room_nid: number; event_nid: number }
>(
  'findErasureEventsBound',
  `select room_nid, event_nid from (
     select room_nid, event_nid from events
      where sender_nid = :userNid and (room_nid, event_nid) > (:roomNid, :eventNid)
      order by room_nid, event_nid limit :most) x
   order by room_nid desc, event_nid desc limit 1`,
)
const events = sqlRun<{
  nid: number
  userNid: number
  roomNid: number
  eventNid: number
  toRoom: number
  toEvent: number
}>(
  'insertErasureEvents',
  `insert into erasure_events (erasure_nid, event_nid, room_nid, outcome)
   select cast(:nid as bigint), event_nid, room_nid, 'pending' from events
    where sender_nid = :userNid and (room_nid, event_nid) > (:roomNid, :eventNid)
      and (room_nid, event_nid) <= (:toRoom, :toEvent)
   on conflict do nothing`,
)
const about = sqlRun<{ nid: number; keyNid: number }>(
  'insertErasureEventsAbout',
  `insert into erasure_events (erasure_nid, event_nid, room_nid, outcome)
   select cast(:nid as bigint), event_nid, room_nid, 'pending' from events where state_key_nid = :keyNid
   on conflict do nothing`,
)
const countRooms = sqlRun<{ nid: number }>(
  'countErasureRoomEvents',
  `update erasure_rooms set events = (select count(*) from erasure_events e
     where e.erasure_nid = erasure_rooms.erasure_nid and e.room_nid = erasure_rooms.room_nid)
   where erasure_nid = :nid`,
)
const peers = sqlRun<{ nid: number; userNid: number; ownNid: number; ts: number }>(
  'insertErasurePeers',
  `insert into erasure_peers (erasure_nid, server_nid, state, next_ts)
   select cast(:nid as bigint), server_nid, 'pending', cast(:ts as bigint) from (
     select h.server_nid from room_hosts h join erasure_rooms r on r.room_nid = h.room_nid where r.erasure_nid = :nid
     union select u.server_nid from erasure_rooms r join memberships m on m.room_nid = r.room_nid
       join users u on u.user_nid = m.user_nid where r.erasure_nid = :nid
     union select u.server_nid from memberships m join users u on u.user_nid = m.sender_nid where m.user_nid = :userNid
     union select f.server_nid from media x join media_fetches f on f.media_nid = x.media_nid
       where x.uploader_nid = :userNid
   ) y where server_nid <> :ownNid and server_nid <> 0
   on conflict do nothing`,
)

/** Notes every room that the user was ever in, wrote in or was invited to; `keyNid`: the place of their memberships. */
export async function insertErasureRooms(tx: Tx, nid: number, userNid: number, keyNid = 0): Promise<void> {
  await rooms(tx, { nid, userNid, keyNid })
}

/** A place in the list of a user's events, by room and row id. */
export interface EventsCursor {
  readonly roomNid: number
  readonly eventNid: number
}

/** Notes the next of the user's events, at most `most`; gives where to go on, undefined at the end. */
export async function insertErasureEvents(
  tx: Tx,
  nid: number,
  userNid: number,
  after: EventsCursor,
  most: number,
): Promise<EventsCursor | undefined> {
  const end = await bound.first(tx, { userNid, ...after, most })
  if (end === undefined) return undefined
  await events(tx, { nid, userNid, ...after, toRoom: end.room_nid, toEvent: end.event_nid })
  return { roomNid: end.room_nid, eventNid: end.event_nid }
}

/** Notes the events that say something about the user, such as invites: those at a place in room state. */
export async function insertErasureEventsAbout(tx: Tx, nid: number, stateKeyNid: number): Promise<void> {
  await about(tx, { nid, keyNid: stateKeyNid })
}

/** Counts the events of each room. */
export async function putErasureRoomCounts(tx: Tx, nid: number): Promise<void> {
  await countRooms(tx, { nid })
}

/** Notes every other server that shared a room with the user, was invited through, or fetched a file of theirs. */
export async function insertErasurePeers(
  tx: Tx,
  census: { readonly nid: number; readonly userNid: number; readonly ownNid: number; readonly ts: number },
): Promise<void> {
  await peers(tx, { ...census })
}

const scope = sqlQuery<{ userNid: number }, { [K in keyof ErasureScope]: number | string }>(
  'countErasureScope',
  `select (select count(*) from events where sender_nid = :userNid) as events,
     (select count(*) from memberships where user_nid = :userNid) as rooms,
     (select count(*) from media where uploader_nid = :userNid) as files,
     (select count(distinct h.server_nid) from memberships m join room_hosts h on h.room_nid = m.room_nid
       where m.user_nid = :userNid) as servers`,
)

/** How much there is of a user. */
export interface ErasureScope {
  readonly events: number
  readonly rooms: number
  readonly files: number
  /** that are or were in the user's rooms, ours included */
  readonly servers: number
}

/** How much an erasure of a user would concern. */
export async function countErasureScope(conn: Conn, userNid: number): Promise<ErasureScope> {
  const row = await scope.first(conn, { userNid })
  const of = (key: keyof ErasureScope) => Number(row?.[key] ?? 0)
  return { events: of('events'), rooms: of('rooms'), files: of('files'), servers: of('servers') }
}
