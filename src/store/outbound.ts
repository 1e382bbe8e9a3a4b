import { and, asc, eq, lte } from 'drizzle-orm'
import { outbound_edus, outbound_transactions } from '../../schema/tables/federation.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { query, sqlQuery, sqlRun } from './query.ts'

const listWaiting = sqlQuery<object, { server_nid: number; name: string }>(
  'listWaitingDestinations',
  `select s.server_nid, s.name from servers s where s.server_nid in (
     select o.server_nid from outbound_rooms o join rooms r on r.room_nid = o.room_nid
      where r.last_local_nid > o.sent_nid and (o.until_nid is null or o.until_nid > o.sent_nid)
     union select server_nid from outbound_edus
     union select server_nid from outbound_transactions)
   order by s.server_nid`,
)

const anyWaiting = sqlQuery<{ serverNid: number }, { one: number }>(
  'isAnythingWaiting',
  `select 1 as one where
     exists (select 1 from outbound_transactions where server_nid = :serverNid)
     or exists (select 1 from outbound_edus where server_nid = :serverNid)
     or exists (select 1 from outbound_rooms o join rooms r on r.room_nid = o.room_nid
       where o.server_nid = :serverNid and r.last_local_nid > o.sent_nid and (o.until_nid is null or o.until_nid > o.sent_nid))`,
)

const listBehind = sqlQuery<
  { serverNid: number; most: number },
  { room_nid: number; sent_nid: number; until_nid: number | null; last_local_nid: number; behind: number }
>(
  'listRoomsBehind',
  `select o.room_nid, o.sent_nid, o.until_nid, r.last_local_nid,
     (select count(*) from (
        select 1 from events e
         where e.room_nid = o.room_nid and e.local and e.event_nid > o.sent_nid
           and (o.until_nid is null or e.event_nid <= o.until_nid)
         limit :most) x) as behind
   from outbound_rooms o join rooms r on r.room_nid = o.room_nid
   where o.server_nid = :serverNid and r.last_local_nid > o.sent_nid and (o.until_nid is null or o.until_nid > o.sent_nid)
   order by r.last_local_nid`,
)

const listEvents = sqlQuery<{ serverNid: number; roomNids: readonly number[]; most: number }, OutboundEvent>(
  'listEventsToSend',
  ({
    list,
  }) => `select e.event_nid, e.room_nid, u.server_nid as sender_server_nid, e.soft_failed or e.rejected is not null as held
   from outbound_rooms o
   join events e on e.room_nid = o.room_nid and e.local and e.event_nid > o.sent_nid
     and (o.until_nid is null or e.event_nid <= o.until_nid)
   join users u on u.user_nid = e.sender_nid
   where o.server_nid = :serverNid and o.room_nid in ${list('roomNids', 'int')}
   order by e.event_nid limit :most`,
  { bools: ['held'] },
)

const listRedactions = sqlQuery<
  { roomNid: number; afterNid: number; untilNid: number; most: number },
  { event_nid: number }
>(
  'listRedactionsToSend',
  `select e.event_nid from events e
   where e.room_nid = :roomNid and e.local and e.event_nid > :afterNid and e.event_nid <= :untilNid
     and e.type = 'm.room.redaction' and not e.soft_failed and e.rejected is null
   order by e.event_nid limit :most`,
)

const listNewestLocal = sqlQuery<{ roomNid: number; afterNid: number; untilNid: number }, { event_nid: number }>(
  'listNewestLocalEvent',
  `select e.event_nid from events e
   where e.room_nid = :roomNid and e.local and e.event_nid > :afterNid and e.event_nid <= :untilNid
     and not e.soft_failed and e.rejected is null
   order by e.event_nid desc limit 1`,
)

const listExtremities = sqlQuery<{ roomNid: number; serverNid: number }, { event_nid: number }>(
  'listExtremitiesToSend',
  `select e.event_nid from forward_extremities x
   join events e on e.event_nid = x.event_nid
   join users u on u.user_nid = e.sender_nid
   where x.room_nid = :roomNid and u.server_nid <> :serverNid
   order by e.event_nid desc limit 5`,
)

const advance = sqlRun<{ serverNid: number; roomNid: number; sentNid: number }>(
  'advanceOutboundRoom',
  `update outbound_rooms set sent_nid = :sentNid
   where server_nid = :serverNid and room_nid = :roomNid and sent_nid < :sentNid`,
)

const deleteFinished = sqlRun<{ serverNid: number }>(
  'deleteFinishedOutboundRooms',
  'delete from outbound_rooms where server_nid = :serverNid and until_nid is not null and sent_nid >= until_nid',
)

const listEdus = query<{ serverNid: number; most: number }>('listOutboundEdus')(({ db, t, p }) =>
  db
    .select({ eduNid: t(outbound_edus).edu_nid, type: t(outbound_edus).type, content: t(outbound_edus).content })
    .from(t(outbound_edus))
    .where(eq(t(outbound_edus).server_nid, p.serverNid))
    .orderBy(asc(t(outbound_edus).edu_nid))
    .limit(p.most),
)

const listEdusByNids = query<{ serverNid: number; nids: readonly number[] }>('listOutboundEdusByNids')(
  ({ db, t, p, anyOf }) =>
    db
      .select({ eduNid: t(outbound_edus).edu_nid, type: t(outbound_edus).type, content: t(outbound_edus).content })
      .from(t(outbound_edus))
      .where(and(eq(t(outbound_edus).server_nid, p.serverNid), anyOf(t(outbound_edus).edu_nid, p.nids)))
      .orderBy(asc(t(outbound_edus).edu_nid)),
)

const insertEdus = insertMany('insertOutboundEdus', outbound_edus, [
  'server_nid',
  'type',
  'user_nid',
  'content',
  'created_ts',
])

const deleteEdus = query<{ nids: readonly number[] }>('deleteOutboundEdus')(({ db, t, p, anyOf }) =>
  db.delete(t(outbound_edus)).where(anyOf(t(outbound_edus).edu_nid, p.nids)),
)

const listCrowded = sqlQuery<{ most: number }, { server_nid: number }>(
  'listCrowdedDestinations',
  'select server_nid from outbound_edus group by server_nid having count(*) > :most',
)

const trimEdus = sqlRun<{ serverNid: number; most: number }>(
  'trimOutboundEdus',
  `delete from outbound_edus where server_nid = :serverNid and edu_nid <= (
     select edu_nid from outbound_edus where server_nid = :serverNid order by edu_nid desc limit 1 offset :most)`,
)

const findTransaction = query<{ serverNid: number }>('findOutboundTransaction')(({ db, t, p }) =>
  db
    .select()
    .from(t(outbound_transactions))
    .where(eq(t(outbound_transactions).server_nid, p.serverNid)),
)

const putTransaction = insertMany(
  'putOutboundTransaction',
  outbound_transactions,
  ['server_nid', 'txn_id', 'body', 'marks', 'event_nids', 'epoch', 'created_ts'],
  { onConflict: { key: ['server_nid'], update: ['txn_id', 'body', 'marks', 'event_nids', 'epoch', 'created_ts'] } },
)

const deleteTransaction = query<{ serverNid: number; txnId: string }>('deleteOutboundTransaction')(({ db, t, p }) =>
  db
    .delete(t(outbound_transactions))
    .where(and(eq(t(outbound_transactions).server_nid, p.serverNid), eq(t(outbound_transactions).txn_id, p.txnId))),
)

const deleteStale = query<{ ts: number }>('deleteStaleOutboundEdus')(({ db, t, p }) =>
  db.delete(t(outbound_edus)).where(lte(t(outbound_edus).created_ts, p.ts)),
)

/** An event of ours that a destination has not acknowledged. */
export interface OutboundEvent {
  readonly event_nid: number
  readonly room_nid: number
  /** the server of its sender */
  readonly sender_server_nid: number
  /** never sent, for it was not accepted here */
  readonly held: boolean
}

/** A room in which a destination lacks events of ours; `behind` counts them up to the `most` that was asked for. */
export interface RoomBehind {
  readonly roomNid: number
  readonly sentNid: number
  /** the last event that it gets */
  readonly endNid: number
  /** whether it has left the room */
  readonly hasLeft: boolean
  readonly behind: number
}

export interface OutboundEdu {
  readonly eduNid: number
  readonly type: string
  readonly content: string
}

/** The transaction in flight of a destination. */
export type OutboundTransaction = NonNullable<Awaited<ReturnType<typeof findTransaction.first>>>

/** Destinations that something waits for. */
export async function listWaitingDestinations(conn: Conn): Promise<{ serverNid: number; name: ServerName }[]> {
  return (await listWaiting(conn)).map(({ server_nid, name }) => ({ serverNid: server_nid, name: name as ServerName }))
}

/** Whether anything waits for a destination. */
export async function isAnythingWaiting(conn: Conn, serverNid: number): Promise<boolean> {
  return (await anyWaiting.first(conn, { serverNid })) !== undefined
}

/** The rooms in which a destination lacks events of ours. */
export async function listRoomsBehind(conn: Conn, serverNid: number, most: number): Promise<RoomBehind[]> {
  return (await listBehind(conn, { serverNid, most })).map((row) => ({
    roomNid: row.room_nid,
    sentNid: row.sent_nid,
    endNid: Math.min(row.last_local_nid, row.until_nid ?? Infinity),
    hasLeft: row.until_nid !== null,
    behind: row.behind,
  }))
}

/** The next events of ours for a destination, oldest first, of some rooms. */
export async function listEventsToSend(
  conn: Conn,
  serverNid: number,
  roomNids: readonly number[],
  most: number,
): Promise<OutboundEvent[]> {
  return roomNids.length === 0 ? [] : listEvents(conn, { serverNid, roomNids, most })
}

/** Redactions of ours in a room that a destination lacks, oldest first. */
export async function listRedactionsToSend(conn: Conn, room: RoomBehind, most: number): Promise<number[]> {
  const rows = await listRedactions(conn, {
    roomNid: room.roomNid,
    afterNid: room.sentNid,
    untilNid: room.endNid,
    most,
  })
  return rows.map(({ event_nid }) => event_nid)
}

/** The newest events of a room for a destination that catches up: our newest that it lacks, and the room's extremities while it is in it. */
export async function listNewestToSend(conn: Conn, room: RoomBehind, serverNid: number): Promise<number[]> {
  const local = await listNewestLocal(conn, { roomNid: room.roomNid, afterNid: room.sentNid, untilNid: room.endNid })
  const extremities = room.hasLeft ? [] : await listExtremities(conn, { roomNid: room.roomNid, serverNid })
  return [...new Set([...local, ...extremities].map(({ event_nid }) => event_nid))].toSorted((a, b) => a - b)
}

/** EDUs that wait for a destination, oldest first. */
export async function listOutboundEdus(conn: Conn, serverNid: number, most: number): Promise<OutboundEdu[]> {
  return listEdus(conn, { serverNid, most })
}

/** Those of the EDUs that still wait. */
export async function listOutboundEdusByNids(
  conn: Conn,
  serverNid: number,
  nids: readonly number[],
): Promise<OutboundEdu[]> {
  return nids.length === 0 ? [] : listEdusByNids(conn, { serverNid, nids })
}

/** Adds an EDU for each of some destinations. `content` is JSON. */
export async function insertOutboundEdus(
  tx: Tx,
  serverNids: readonly number[],
  edu: { readonly type: string; readonly userNid: number; readonly content: string; readonly createdTs: number },
): Promise<void> {
  const { type, userNid: user_nid, content, createdTs: created_ts } = edu
  await insertEdus(
    tx,
    serverNids.map((server_nid) => ({ server_nid, type, user_nid, content, created_ts })),
  )
}

/** Drops the oldest EDUs of destinations for which more than `most` wait, and all that are older than `ts`. */
export async function trimOutboundEdus(tx: Tx, most: number, ts: number): Promise<void> {
  await deleteStale(tx, { ts })
  for (const { server_nid } of await listCrowded(tx, { most })) await trimEdus(tx, { serverNid: server_nid, most })
}

/** The transaction in flight of a destination, undefined where there is none. */
export async function findOutboundTransaction(conn: Conn, serverNid: number): Promise<OutboundTransaction | undefined> {
  return findTransaction.first(conn, { serverNid })
}

/** Stores the transaction in flight, before it is sent. */
export async function putOutboundTransaction(tx: Tx, row: OutboundTransaction): Promise<void> {
  await putTransaction(tx, [row])
}

/** A transaction was acknowledged (or never had to be sent): moves the marks, forgets what it carried. */
export async function finishOutboundTransaction(
  tx: Tx,
  serverNid: number,
  done: {
    readonly txnId: string
    readonly rooms: readonly (readonly [roomNid: number, sentNid: number])[]
    readonly eduNids: readonly number[]
  },
): Promise<void> {
  for (const [roomNid, sentNid] of done.rooms) await advance(tx, { serverNid, roomNid, sentNid })
  if (done.rooms.length > 0) await deleteFinished(tx, { serverNid })
  if (done.eduNids.length > 0) await deleteEdus(tx, { nids: done.eduNids })
  await deleteTransaction(tx, { serverNid, txnId: done.txnId })
}
