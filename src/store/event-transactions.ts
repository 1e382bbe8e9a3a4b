import { event_transactions } from '../../schema/tables/events.ts'
import type { Tx } from './database.ts'
import { query } from './query.ts'

const insert = query<{ eventNid: number; userNid: number; deviceId: string; txnId: string; createdTs: number }>(
  'insertEventTransaction',
)(({ db, t, p }) =>
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

/** The transaction id with which a device sent an event. */
export interface EventTransaction {
  readonly eventNid: number
  readonly userNid: number
  readonly deviceId: string
  readonly txnId: string
  readonly createdTs: number
}

/** Remembers with which transaction id an event was sent, so that the device recognises it in `/sync`. */
export async function insertEventTransaction(tx: Tx, sent: EventTransaction): Promise<void> {
  await insert(tx, { ...sent })
}
