import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

const columns = `r.revision as revision, a.deactivated_ts as deactivated_ts, a.locked as locked, u.erased_ts as erased_ts,
  exists (select 1 from event_transactions t
    where t.user_nid = s.user_nid and t.device_id = s.device_id and t.txn_id = s.txn_id) as is_retry`
const tables = `rooms r, accounts a, users u
  where r.room_nid = s.room_nid and a.user_nid = s.user_nid and u.user_nid = s.user_nid`
const bools = ['locked', 'is_retry']

type Row = Omit<SendFacts, 'isRetry'> & { readonly is_retry: boolean }

const find = sqlQuery<SendKey, Row>(
  'findSendFacts',
  `select ${columns}
   from (select :roomNid as room_nid, :userNid as user_nid, :deviceId as device_id, :txnId as txn_id) s, ${tables}`,
  { bools },
)
const list = sqlQuery<{ sends: readonly (readonly [number, number, string, string | null])[] }, Row & { i: number }>(
  'listSendFacts',
  `select s.i as i, ${columns}
   from (select n - 1 as i, (value->>0)::bigint as room_nid, (value->>1)::bigint as user_nid, value->>2 as device_id,
     value->>3 as txn_id from jsonb_array_elements(:sends::jsonb) with ordinality as v(value, n)) s, ${tables}`,
  { bools },
)

/** Who sends, where, and with which transaction id (`deviceId` '' without a device; `txnId` null without an id). */
export interface SendKey {
  readonly roomNid: number
  readonly userNid: number
  readonly deviceId: string
  readonly txnId: string | null
}

/** What is to be known before a local user sends: of the room, of the account, and of the client's transaction id. */
export interface SendFacts {
  /** of the room */
  readonly revision: number
  readonly deactivated_ts: number | null
  readonly locked: boolean
  readonly erased_ts: number | null
  /** The device sent something with this transaction id before, here or elsewhere. */
  readonly isRetry: boolean
}

/** Reads all of it, in the order of `keys`; undefined where there is no such room or no such account. */
export async function listSendFacts(conn: Conn, keys: readonly SendKey[]): Promise<(SendFacts | undefined)[]> {
  const found = Array.from<SendFacts | undefined>({ length: keys.length })
  // where a statement is no journey, several small ones cost less than one that takes its values out of JSON
  if (conn.engine === 'sqlite') {
    for (const [i, key] of keys.entries()) found[i] = factsOf(await find.first(conn, key))
    return found
  }
  const sends = keys.map(({ roomNid, userNid, deviceId, txnId }) => [roomNid, userNid, deviceId, txnId] as const)
  for (const row of await list(conn, { sends })) found[Number(row.i)] = factsOf(row)
  return found
}

function factsOf(row: Row | undefined): SendFacts | undefined {
  if (row === undefined) return undefined
  const { revision, deactivated_ts, locked, erased_ts, is_retry: isRetry } = row
  return { revision, deactivated_ts, locked, erased_ts, isRetry }
}
