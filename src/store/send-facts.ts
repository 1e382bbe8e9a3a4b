import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

const find = sqlQuery<
  { roomNid: number; userNid: number; deviceId: string; txnId: string | null },
  Omit<SendFacts, 'isRetry'> & { is_retry: boolean }
>(
  'findSendFacts',
  `select r.revision as revision, a.deactivated_ts as deactivated_ts, a.locked as locked, u.erased_ts as erased_ts,
     exists (select 1 from event_transactions s
       where s.user_nid = :userNid and s.device_id = :deviceId and s.txn_id = :txnId) as is_retry
   from rooms r join accounts a on a.user_nid = :userNid join users u on u.user_nid = a.user_nid
   where r.room_nid = :roomNid`,
  { bools: ['locked', 'is_retry'] },
)

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

/** Reads all of it by one statement; undefined where there is no such room or no such account. */
export async function findSendFacts(
  conn: Conn,
  of: { readonly roomNid: number; readonly userNid: number; readonly deviceId: string; readonly txnId: string | null },
): Promise<SendFacts | undefined> {
  const row = await find.first(conn, { ...of })
  if (row === undefined) return undefined
  const { is_retry: isRetry, ...facts } = row
  return { ...facts, isRetry }
}
