import { and, eq, lt } from 'drizzle-orm'
import type { Json as JsonText } from '../../schema/kit.ts'
import { transactions } from '../../schema/tables/users.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

const find = query<{ userNid: number; deviceId: string; request: string }>('find_transaction')(({ db, t, p }) =>
  db
    .select({ response: t(transactions).response })
    .from(t(transactions))
    .where(
      and(
        eq(t(transactions).user_nid, p.userNid),
        eq(t(transactions).device_id, p.deviceId),
        eq(t(transactions).request, p.request),
      ),
    ),
)

const insert = query<{
  userNid: number
  deviceId: string
  request: string
  response: JsonText<unknown>
  ts: number
}>('insert_transaction')(({ db, t, p }) =>
  db
    .insert(t(transactions))
    .values({
      user_nid: p.userNid,
      device_id: p.deviceId,
      request: p.request,
      response: p.response,
      created_ts: p.ts,
    })
    .onConflictDoNothing(),
)

const old = query<{ before: number }>('delete_old_transactions')(({ db, t, p }) =>
  db.delete(t(transactions)).where(lt(t(transactions).created_ts, p.before)),
)

const ofDevices = query<{ userNid: number; deviceIds: readonly string[] }>('delete_device_transactions')(
  ({ db, t, p, anyOf }) =>
    db
      .delete(t(transactions))
      .where(and(eq(t(transactions).user_nid, p.userNid), anyOf(t(transactions).device_id, p.deviceIds))),
)

/** Who asks (`deviceId` '' without one), and for what: route, room and transaction id. */
export interface TransactionKey {
  readonly userNid: number
  readonly deviceId: string
  readonly request: string
}

/** The answer (serialised JSON) that this request got before, or undefined. */
export async function findTransaction(conn: Conn, key: TransactionKey): Promise<string | undefined> {
  const { userNid, deviceId, request } = key
  return (await find.first(conn, { userNid, deviceId, request }))?.response
}

/** Remembers the answer to a request; false where it has one already. */
export async function insertTransaction(tx: Tx, key: TransactionKey, response: string, ts: number): Promise<boolean> {
  const { userNid, deviceId, request } = key
  return (await insert(tx, { userNid, deviceId, request, response, ts })) > 0
}

/** Forgets answers given before `before`. */
export async function deleteOldTransactions(tx: Tx, before: number): Promise<number> {
  return old(tx, { before })
}

/** Forgets answers given to devices that are gone. */
export async function deleteTransactionsOfDevices(
  tx: Tx,
  userNid: number,
  deviceIds: readonly string[],
): Promise<void> {
  await ofDevices(tx, { userNid, deviceIds })
}
