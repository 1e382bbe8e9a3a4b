import { and, asc, eq, gt, isNull, ne } from 'drizzle-orm'
import { erasure_events } from '../../schema/tables/erasure.ts'
import { events } from '../../schema/tables/events.ts'
import type { Conn, Tx } from './database.ts'
import type { EventRow } from './events.ts'
import { query, sqlQuery, sqlRun } from './query.ts'

/**
 * What became of an event. `pending`: nothing yet; `first`, `rest`: pruned here, a redaction is still to be sent (edits
 * and replies first); `bare`: there was nothing in it; the others are final.
 */
export type EventOutcome =
  | 'pending'
  | 'first'
  | 'rest'
  | 'pruned'
  | 'kept'
  | 'bare'
  | 'redacted'
  | 'already'
  | 'not_joined'
  | 'not_permitted'
  | 'acl_denied'
  | 'policy_refused'

const page = query<{ nid: number; roomNid: number; outcome: string; after: number; most: number }>('listErasureEvents')(
  ({ db, t, p }) => {
    const [x, e] = [t(erasure_events), t(events)]
    return db
      .select({ event: e })
      .from(x)
      .innerJoin(e, eq(e.event_nid, x.event_nid))
      .where(
        and(eq(x.erasure_nid, p.nid), eq(x.room_nid, p.roomNid), eq(x.outcome, p.outcome), gt(x.event_nid, p.after)),
      )
      .orderBy(asc(x.event_nid))
      .limit(p.most)
  },
)
const bySender = query<{ userNid: number; roomNid: number; after: number; most: number }>('listUnprunedEvents')(({
  db,
  t,
  p,
}) => {
  const e = t(events)
  return db
    .select()
    .from(e)
    .where(and(eq(e.sender_nid, p.userNid), eq(e.room_nid, p.roomNid), gt(e.event_nid, p.after), isNull(e.pruned_ts)))
    .orderBy(asc(e.event_nid))
    .limit(p.most)
})
const about = query<{ userNid: number; keyNid: number; roomNid: number; after: number; most: number }>(
  'listEventsAboutUser',
)(({ db, t, p }) => {
  const e = t(events)
  return db
    .select()
    .from(e)
    .where(
      and(
        eq(e.state_key_nid, p.keyNid),
        eq(e.room_nid, p.roomNid),
        ne(e.sender_nid, p.userNid),
        gt(e.event_nid, p.after),
        isNull(e.pruned_ts),
      ),
    )
    .orderBy(asc(e.event_nid))
    .limit(p.most)
})
const roomsAbout = sqlQuery<{ userNid: number; keyNid: number }, { room_nid: number; room_id: string }>(
  'listRoomsWithEventsAbout',
  `select r.room_nid, r.room_id from rooms r where r.room_nid in
     (select distinct room_nid from events where state_key_nid = :keyNid and sender_nid <> :userNid) order by r.room_nid`,
)
const roomsOf = sqlQuery<{ userNid: number }, { room_nid: number; room_id: string }>(
  'listRoomsWrittenIn',
  `select r.room_nid, r.room_id from rooms r
   where r.room_nid in (select distinct room_nid from events where sender_nid = :userNid) order by r.room_nid`,
)
const set = sqlRun<{ nid: number; eventNids: readonly number[]; outcome: string }>(
  'putEventOutcomes',
  ({ list }) =>
    `update erasure_events set outcome = :outcome where erasure_nid = :nid and event_nid in ${list('eventNids', 'int')}`,
)
const setRest = sqlRun<{ nid: number; roomNid: number; outcome: string }>(
  'putRoomOutcome',
  `update erasure_events set outcome = :outcome
   where erasure_nid = :nid and room_nid = :roomNid and outcome in ('first', 'rest')`,
)
const tally = sqlQuery<{ nid: number }, { outcome: EventOutcome; n: number | string }>(
  'countEventOutcomes',
  'select outcome, count(*) as n from erasure_events where erasure_nid = :nid group by outcome',
)
const prune = sqlRun<{ rows: readonly { nid: number; json: string }[]; ts: number }>('pruneEvents', {
  sqlite: `update events set json = x.json, pruned_ts = :ts
    from (select value->>'nid' as nid, value->>'json' as json from json_each(:rows)) x where events.event_nid = x.nid`,
  postgres: `update events set json = x.json, pruned_ts = :ts
    from jsonb_to_recordset(:rows::jsonb) as x(nid bigint, json text) where events.event_nid = x.nid`,
})
const dropRelations = sqlRun<{ nids: readonly number[] }>(
  'deleteRelationsOfEvents',
  ({ list }) => `delete from relations where event_nid in ${list('nids', 'int')}`,
)
const dropNotifications = sqlRun<{ nids: readonly number[] }>(
  'deleteNotificationsOfEvents',
  ({ list }) => `delete from user_notifications where event_nid in ${list('nids', 'int')}`,
)

/** The next events of an erasure in a room that have this outcome, by row id, at most `most`. */
export async function listErasureEvents(
  conn: Conn,
  of: {
    readonly nid: number
    readonly roomNid: number
    readonly outcome: EventOutcome
    readonly after: number
    readonly most: number
  },
): Promise<EventRow[]> {
  return (await page(conn, { ...of })).map(({ event }) => event)
}

/** The next events that a user sent in a room and that are stored whole, by row id, at most `most`. */
export function listEventsBySender(
  conn: Conn,
  userNid: number,
  roomNid: number,
  after: number,
  most: number,
): Promise<EventRow[]> {
  return bySender(conn, { userNid, roomNid, after, most })
}

/** A user and a place in room state that is theirs: their membership. */
export interface PersonKey {
  readonly userNid: number
  readonly keyNid: number
}

/** The next events that others sent about a user in a room and that are stored whole, by row id, at most `most`. */
export function listEventsAbout(
  conn: Conn,
  person: PersonKey,
  roomNid: number,
  after: number,
  most: number,
): Promise<EventRow[]> {
  return about(conn, { ...person, roomNid, after, most })
}

/** The rooms in which others have sent anything about a user that is stored. */
export function listRoomsWithEventsAbout(
  conn: Conn,
  person: PersonKey,
): Promise<{ room_nid: number; room_id: string }[]> {
  return roomsAbout(conn, { ...person })
}

/** The rooms in which a user has sent anything that is stored. */
export function listRoomsWrittenIn(conn: Conn, userNid: number): Promise<{ room_nid: number; room_id: string }[]> {
  return roomsOf(conn, { userNid })
}

/** Sets what became of events. */
export async function putEventOutcomes(
  tx: Tx,
  nid: number,
  outcome: EventOutcome,
  eventNids: readonly number[],
): Promise<void> {
  if (eventNids.length > 0) await set(tx, { nid, outcome, eventNids })
}

/** Sets what became of all events of a room whose redaction is still to be sent. */
export async function putRoomOutcome(tx: Tx, nid: number, roomNid: number, outcome: EventOutcome): Promise<void> {
  await setRest(tx, { nid, roomNid, outcome })
}

/** How many events have which outcome. */
export async function countEventOutcomes(conn: Conn, nid: number): Promise<Partial<Record<EventOutcome, number>>> {
  return Object.fromEntries((await tally(conn, { nid })).map(({ outcome, n }) => [outcome, Number(n)]))
}

/** Replaces the stored texts of events by what pruning left of them, and drops what was made of their contents. */
export async function pruneEventRows(
  tx: Tx,
  rows: readonly { readonly nid: number; readonly json: string }[],
  ts: number,
): Promise<void> {
  if (rows.length === 0) return
  const nids = rows.map(({ nid }) => nid)
  await prune(tx, { rows, ts })
  await dropRelations(tx, { nids })
  await dropNotifications(tx, { nids })
}

const keptTypes = sqlQuery<{ nid: number; outcome: string }, { type: string; n: number | string }>(
  'countKeptEventTypes',
  `select e.type, count(*) as n from erasure_events x join events e on e.event_nid = x.event_nid
   where x.erasure_nid = :nid and x.outcome = :outcome group by e.type order by e.type`,
)
const dropWork = {
  events: sqlRun<{ nid: number }>('deleteErasureEvents', 'delete from erasure_events where erasure_nid = :nid'),
  rooms: sqlRun<{ nid: number }>('deleteErasureRooms', 'delete from erasure_rooms where erasure_nid = :nid'),
  media: sqlRun<{ nid: number }>('deleteErasureMedia', 'delete from erasure_media where erasure_nid = :nid'),
}
const unfinished = sqlQuery<{ nid: number; now: number; end: number }, { n: number | string }>(
  'countUnfinishedErasureWork',
  `select (select count(*) from erasure_rooms where erasure_nid = :nid and state not in ('done', 'failed'))
     + (select count(*) from erasure_peers where erasure_nid = :nid
         and (state = 'pending' or (state = 'unsupported' and :now < :end))) as n`,
)

/** How many events of each type were kept, or are held. */
export async function countEventTypes(
  conn: Conn,
  nid: number,
  outcome: EventOutcome,
): Promise<{ type: string; count: number }[]> {
  return (await keptTypes(conn, { nid, outcome })).map(({ type, n }) => ({ type, count: Number(n) }))
}

/** How many rooms and servers are not in their final state; at `endTs` a server that does not support erasure is. */
export async function countUnfinishedWork(conn: Conn, nid: number, now: number, endTs: number): Promise<number> {
  return Number((await unfinished.first(conn, { nid, now, end: endTs }))?.n ?? 0)
}

/** Drops the working rows of an erasure that is over. */
export async function deleteErasureWork(tx: Tx, nid: number): Promise<void> {
  await dropWork.events(tx, { nid })
  await dropWork.rooms(tx, { nid })
  await dropWork.media(tx, { nid })
}
