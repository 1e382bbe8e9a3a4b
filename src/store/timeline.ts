import { and, asc, desc, eq, gt, isNotNull, lte } from 'drizzle-orm'
import { events } from '../../schema/tables/events.ts'
import type { Conn } from './database.ts'
import type { EventRow } from './events.ts'
import { query, sqlQuery } from './query.ts'

const back = query<{ roomNid: number; ord: number; most: number }>('listTimelineBack')(({ db, t, p }) =>
  db
    .select()
    .from(t(events))
    .where(and(eq(t(events).room_nid, p.roomNid), isNotNull(t(events).ord), lte(t(events).ord, p.ord)))
    .orderBy(desc(t(events).ord))
    .limit(p.most),
)
const forward = query<{ roomNid: number; ord: number; most: number }>('listTimelineForward')(({ db, t, p }) =>
  db
    .select()
    .from(t(events))
    .where(and(eq(t(events).room_nid, p.roomNid), isNotNull(t(events).ord), gt(t(events).ord, p.ord)))
    .orderBy(asc(t(events).ord))
    .limit(p.most),
)
const firstLive = sqlQuery<{ roomNid: number }, { depth: number }>(
  'findFirstLiveDepth',
  'select depth from events where room_nid = :roomNid and ord > 0 order by ord limit 1',
)
const positions = sqlQuery<
  { roomNid: number; ord: number; most: number },
  { ord: number; writer: number; pos: number }
>(
  'listTimelinePositions',
  `select ord, writer, pos from events where room_nid = :roomNid and ord is not null and ord <= :ord order by ord desc limit :most`,
)
const ownMemberships = sqlQuery<
  { roomNid: number; stateKeyNid: number },
  { event_nid: number; ord: number; writer: number; pos: number; json: string }
>(
  'listMembershipHistory',
  `select event_nid, ord, writer, pos, json from events
   where room_nid = :roomNid and state_key_nid = :stateKeyNid and ord is not null order by ord desc limit 50`,
)
const transactionsOf = sqlQuery<
  { nids: readonly number[]; userNid: number; deviceId: string },
  { event_nid: number; txn_id: string }
>(
  'listOwnTransactions',
  ({ list }) =>
    `select event_nid, txn_id from event_transactions
     where event_nid in ${list('nids', 'int')} and user_nid = :userNid and device_id = :deviceId`,
)
/** Events of the timeline at or before an `ord`, newest first. */
export function listTimelineBack(conn: Conn, roomNid: number, ord: number, most: number): Promise<EventRow[]> {
  return back(conn, { roomNid, ord, most })
}

/** Events of the timeline after an `ord`, oldest first. */
export function listTimelineForward(conn: Conn, roomNid: number, ord: number, most: number): Promise<EventRow[]> {
  return forward(conn, { roomNid, ord, most })
}

/** Order and stream positions at or before an `ord`, newest first. */
export function listTimelinePositions(
  conn: Conn,
  roomNid: number,
  ord: number,
  most: number,
): Promise<{ ord: number; writer: number; pos: number }[]> {
  return positions(conn, { roomNid, ord, most })
}

/** The newest 50 membership events of one user in a room, newest first; `stateKeyNid` is the place of their membership. */
export function listMembershipHistory(
  conn: Conn,
  roomNid: number,
  stateKeyNid: number,
): Promise<{ event_nid: number; ord: number; writer: number; pos: number; json: string }[]> {
  return ownMemberships(conn, { roomNid, stateKeyNid })
}

/** Transaction ids of those of the events that this very device sent. */
export async function listOwnTransactions(
  conn: Conn,
  nids: readonly number[],
  userNid: number,
  deviceId: string,
): Promise<Map<number, string>> {
  if (nids.length === 0) return new Map()
  return new Map((await transactionsOf(conn, { nids, userNid, deviceId })).map((row) => [row.event_nid, row.txn_id]))
}

/** The depth of the first event of a room that came live: with it this server came into the room, or made it. */
export async function findFirstLiveDepth(conn: Conn, roomNid: number): Promise<number> {
  return (await firstLive.first(conn, { roomNid }))?.depth ?? 0
}
