import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

const firstLive = sqlQuery<{ roomNid: number }, { depth: number }>(
  'findFirstLiveDepth',
  'select depth from events where room_nid = :roomNid and ord > 0 order by ord limit 1',
)
const positions = sqlQuery<
  { roomNid: number; ord: number; most: number },
  { ord: number; writer: number; pos: number }
>(
  'listLivePositions',
  `select ord, writer, pos from events
   where room_nid = :roomNid and ord is not null and ord <= :ord and not backfilled order by ord desc limit :most`,
)
const ownMemberships = sqlQuery<
  { roomNid: number; stateKeyNid: number },
  { event_nid: number; ord: number; writer: number; pos: number; json: string }
>(
  'listMembershipHistory',
  `select event_nid, ord, writer, pos, json from events
   where room_nid = :roomNid and state_key_nid = :stateKeyNid and ord is not null order by ord desc limit 50`,
)
// the plus: SQLite would go through everything that the device sent in two days
const transactionsOf = sqlQuery<
  { nids: readonly number[]; userNid: number; deviceId: string },
  { event_nid: number; txn_id: string }
>(
  'listOwnTransactions',
  ({ list }) =>
    `select event_nid, txn_id from event_transactions
     where event_nid in ${list('nids', 'int')} and +user_nid = :userNid and device_id = :deviceId`,
)

/** Order and stream positions of live events at or before an `ord`, newest first. */
export function listLivePositions(
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
