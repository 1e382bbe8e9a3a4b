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
const positions = sqlQuery<{ roomNid: number; ord: number; most: number }, { ord: number; writer: number; pos: number }>(
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
const relationsOf = sqlQuery<
  { parents: readonly string[]; roomNid: number; userNid: number },
  { parent: string; rel_type: string; n: number; latest: number; mine: number }
>(
  'summariseRelations',
  ({ list }) =>
    `select r.parent_event_id as parent, r.rel_type as rel_type, count(*) as n, max(r.event_nid) as latest,
            sum(case when r.sender_nid = :userNid then 1 else 0 end) as mine
     from relations r join events child on child.event_nid = r.event_nid
     where r.parent_event_id in ${list('parents', 'text')} and r.room_nid = :roomNid
       and child.ord is not null and child.redacted_by is null and child.pruned_ts is null
       and r.rel_type in ('m.thread', 'm.reference')
     group by r.parent_event_id, r.rel_type`,
)
const editsOf = sqlQuery<{ parents: readonly string[]; roomNid: number }, { parent: string; latest: number }>(
  'listLatestEdits',
  ({ list }) =>
    `select r.parent_event_id as parent, max(r.event_nid) as latest
     from relations r
     join events child on child.event_nid = r.event_nid
     join events parent on parent.event_id = r.parent_event_id
     where r.parent_event_id in ${list('parents', 'text')} and r.room_nid = :roomNid and r.rel_type = 'm.replace'
       and parent.sender_nid = child.sender_nid and parent.type = child.type and parent.state_key_nid is null
       and child.ord is not null and child.redacted_by is null and child.pruned_ts is null
     group by r.parent_event_id`,
)
const references = sqlQuery<{ parents: readonly string[]; roomNid: number }, { parent: string; event_id: string }>(
  'listReferences',
  ({ list }) =>
    `select r.parent_event_id as parent, child.event_id as event_id
     from relations r join events child on child.event_nid = r.event_nid
     where r.parent_event_id in ${list('parents', 'text')} and r.room_nid = :roomNid and r.rel_type = 'm.reference'
       and child.ord is not null and child.redacted_by is null and child.pruned_ts is null
     order by child.ord limit 100`,
)
const children = sqlQuery<{ parent: string; roomNid: number; ord: number; most: number }, { event_nid: number; ord: number; rel_type: string; type: string }>(
  'listChildrenBack',
  `select child.event_nid as event_nid, child.ord as ord, r.rel_type as rel_type, child.type as type
   from relations r join events child on child.event_nid = r.event_nid
   where r.parent_event_id = :parent and r.room_nid = :roomNid and child.ord is not null and child.ord <= :ord
     and child.redacted_by is null
   order by child.ord desc limit :most`,
)
const childrenForward = sqlQuery<{ parent: string; roomNid: number; ord: number; most: number }, { event_nid: number; ord: number; rel_type: string; type: string }>(
  'listChildrenForward',
  `select child.event_nid as event_nid, child.ord as ord, r.rel_type as rel_type, child.type as type
   from relations r join events child on child.event_nid = r.event_nid
   where r.parent_event_id = :parent and r.room_nid = :roomNid and child.ord is not null and child.ord > :ord
     and child.redacted_by is null
   order by child.ord limit :most`,
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

/** Threads and references of events: how many, the newest, and how many are by one user. */
export function summariseRelations(conn: Conn, roomNid: number, parents: readonly string[], userNid: number) {
  return parents.length === 0 ? Promise.resolve([]) : relationsOf(conn, { parents, roomNid, userNid })
}

/** The newest valid edit of each event, by event id. */
export async function listLatestEdits(conn: Conn, roomNid: number, parents: readonly string[]): Promise<Map<string, number>> {
  if (parents.length === 0) return new Map()
  return new Map((await editsOf(conn, { parents, roomNid })).map((row) => [row.parent, row.latest]))
}

/** Ids of the events that refer to each event, at most 100 in all. */
export function listReferences(conn: Conn, roomNid: number, parents: readonly string[]) {
  return references(conn, { parents, roomNid })
}

/** Events that relate to an event, in one direction from an `ord`. */
export function listChildren(
  conn: Conn,
  roomNid: number,
  parent: string,
  from: { readonly ord: number; readonly direction: 'b' | 'f' },
  most: number,
) {
  return (from.direction === 'b' ? children : childrenForward)(conn, { parent, roomNid, ord: from.ord, most })
}
