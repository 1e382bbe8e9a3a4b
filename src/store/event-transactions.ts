import { and, eq } from 'drizzle-orm'
import { event_transactions, events } from '../../schema/tables/events.ts'
import type { EventId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { query, sqlRun } from './query.ts'

const columns = ['event_nid', 'user_nid', 'device_id', 'txn_id', 'created_ts'] as const
const insertAll = insertMany('insertEventTransactions', event_transactions, columns, { onConflict: 'nothing' })
const insert = query<EventTransaction>('insertEventTransaction')(({ db, t, p }) =>
  db
    .insert(t(event_transactions))
    .values({
      event_nid: p.eventNid,
      user_nid: p.userNid,
      device_id: p.deviceId,
      txn_id: p.txnId,
      created_ts: p.createdTs,
    })
    .onConflictDoNothing(),
)

const sentWith = query<{ roomNid: number; type: string; userNid: number; deviceId: string; txnId: string }>(
  'listSentWith',
)(({ db, t, p }) => {
  const [s, e] = [t(event_transactions), t(events)]
  return db
    .select({ eventNid: e.event_nid, eventId: e.event_id, json: e.json })
    .from(s)
    .innerJoin(e, eq(e.event_nid, s.event_nid))
    .where(
      and(
        eq(s.user_nid, p.userNid),
        eq(s.device_id, p.deviceId),
        eq(s.txn_id, p.txnId),
        eq(e.room_nid, p.roomNid),
        eq(e.type, p.type),
      ),
    )
})

const ofDevices = query<{ userNid: number; deviceIds: readonly string[] }>('deleteTransactionsOfDevices')(({
  db,
  t,
  p,
  anyOf,
}) => {
  const s = t(event_transactions)
  return db.delete(s).where(and(eq(s.user_nid, p.userNid), anyOf(s.device_id, p.deviceIds)))
})

// row ids grow with time: the old ones stand first, and no index by age is kept for them
const old = sqlRun<{ before: number; most: number }>(
  'deleteOldTransactions',
  `delete from event_transactions where created_ts < :before
   and event_nid in (select event_nid from event_transactions order by event_nid limit :most)`,
)
const mostAtOnce = 500

/** Who sent with which transaction id (`deviceId` '' without a device). */
export interface TransactionKey {
  readonly userNid: number
  readonly deviceId: string
  readonly txnId: string
}

/** The transaction id with which a device sent an event. */
export interface EventTransaction extends TransactionKey {
  readonly eventNid: number
  readonly createdTs: number
}

/** Remembers with which transaction ids events were sent: for retries, and for the device that sees it in `/sync`. */
export async function insertEventTransactions(tx: Tx, sent: readonly EventTransaction[]): Promise<void> {
  if (tx.engine === 'sqlite') {
    for (const one of sent) await insert(tx, one)
    return
  }
  await insertAll(
    tx,
    sent.map(({ eventNid, userNid, deviceId, txnId, createdTs }) => ({
      event_nid: eventNid,
      user_nid: userNid,
      device_id: deviceId,
      txn_id: txnId,
      created_ts: createdTs,
    })),
  )
}

/** Events of a type that were sent in a room with this transaction id: a retry gives one of them again. */
export async function listEventsSentWith(
  conn: Conn,
  place: { readonly roomNid: number; readonly type: string },
  key: TransactionKey,
): Promise<{ eventNid: number; eventId: EventId; json: string }[]> {
  const { userNid, deviceId, txnId } = key
  const rows = await sentWith(conn, { ...place, userNid, deviceId, txnId })
  return rows.map((row) => ({ ...row, eventId: row.eventId as EventId }))
}

/** Forgets some of the transaction ids from before `before`; gives how many, 0 when none is left. */
export async function deleteOldTransactions(tx: Tx, before: number): Promise<number> {
  return old(tx, { before, most: mostAtOnce })
}

/** Forgets transaction ids of devices that are gone. */
export async function deleteTransactionsOfDevices(
  tx: Tx,
  userNid: number,
  deviceIds: readonly string[],
): Promise<void> {
  await ofDevices(tx, { userNid, deviceIds })
}
