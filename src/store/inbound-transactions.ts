import { and, eq, lt } from 'drizzle-orm'
import { inbound_transactions } from '../../schema/tables/federation.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'
import { findServerNid, putServer } from './servers.ts'

const find = query<{ originNid: number; txnId: string }>('findInboundTransaction')(({ db, t, p }) =>
  db
    .select({ response: t(inbound_transactions).response })
    .from(t(inbound_transactions))
    .where(and(eq(t(inbound_transactions).origin_nid, p.originNid), eq(t(inbound_transactions).txn_id, p.txnId))),
)

const insert = query<{ originNid: number; txnId: string; response: string; ts: number }>('insertInboundTransaction')(
  ({ db, t, p }) =>
    db
      .insert(t(inbound_transactions))
      .values({ origin_nid: p.originNid, txn_id: p.txnId, response: p.response, received_ts: p.ts })
      .onConflictDoNothing(),
)

const deleteOld = query<{ ts: number }>('deleteOldInboundTransactions')(({ db, t, p }) =>
  db.delete(t(inbound_transactions)).where(lt(t(inbound_transactions).received_ts, p.ts)),
)

/** What a transaction was answered, as JSON; undefined where it was not yet received. */
export async function findInboundTransaction(
  conn: Conn,
  origin: ServerName,
  txnId: string,
): Promise<string | undefined> {
  const originNid = await findServerNid(conn, origin)
  return originNid === undefined ? undefined : (await find.first(conn, { originNid, txnId }))?.response
}

/** Stores the answer to a transaction; the first one stays. */
export async function insertInboundTransaction(
  tx: Tx,
  origin: ServerName,
  txnId: string,
  response: string,
  ts: number,
): Promise<void> {
  await insert(tx, { originNid: await putServer(tx, origin), txnId, response, ts })
}

/** Forgets transactions received before a moment. */
export async function deleteOldInboundTransactions(tx: Tx, ts: number): Promise<number> {
  return deleteOld(tx, { ts })
}
