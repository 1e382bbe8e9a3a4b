import type { UserId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { sqlQuery, sqlRun } from './query.ts'

/** An erasure that another server asked for. */
export interface InboundErasure {
  readonly user_nid: number
  readonly user_id: UserId
  readonly received_ts: number
  readonly quarantine_until_ts: number
  readonly done_ts: number | null
  readonly erasure_mode: 'redact' | 'forget' | null
  readonly erased_ts: number | null
  readonly returned_ts: number | null
}

const columns = `i.user_nid, u.user_id, i.received_ts, i.quarantine_until_ts, i.done_ts, u.erasure_mode, u.erased_ts, u.returned_ts`
const find = sqlQuery<{ userNid: number }, InboundErasure>(
  'findInboundErasure',
  `select ${columns} from inbound_erasures i join users u on u.user_nid = i.user_nid where i.user_nid = :userNid`,
)
const due = sqlQuery<{ now: number }, InboundErasure>(
  'listDueInboundErasures',
  `select ${columns} from inbound_erasures i join users u on u.user_nid = i.user_nid
   where i.done_ts is null and i.quarantine_until_ts <= :now order by i.user_nid limit 100`,
)
const nextDue = sqlQuery<object, { due_ts: number | null }>(
  'findNextInboundTs',
  'select min(quarantine_until_ts) as due_ts from inbound_erasures where done_ts is null',
)
const held = sqlQuery<object, InboundErasure>(
  'listHeldInboundErasures',
  `select ${columns} from inbound_erasures i join users u on u.user_nid = i.user_nid
   where i.done_ts is not null and u.erasure_mode = 'forget' order by i.user_nid`,
)
const put = sqlRun<{ userNid: number; receivedTs: number; untilTs: number; seq: number }>(
  'putInboundErasure',
  `insert into inbound_erasures (user_nid, received_ts, quarantine_until_ts, done_ts, journal_seq)
   values (:userNid, :receivedTs, :untilTs, null, :seq)
   on conflict (user_nid) do update set received_ts = excluded.received_ts, done_ts = null,
     quarantine_until_ts = excluded.quarantine_until_ts, journal_seq = excluded.journal_seq`,
)
const finish = sqlRun<{ userNid: number; receivedTs: number; ts: number }>(
  'putInboundErasureDone',
  'update inbound_erasures set done_ts = :ts where user_nid = :userNid and received_ts = :receivedTs',
)

/** The newest erasure of a user that was asked for by their server. */
export function findInboundErasure(conn: Conn, userNid: number): Promise<InboundErasure | undefined> {
  return find.first(conn, { userNid })
}

/** Those whose quarantine is over and that are not done, at most 100. */
export function listDueInboundErasures(conn: Conn, now: number): Promise<InboundErasure[]> {
  return due(conn, { now })
}

/** When the quarantine of the next one ends, undefined where none is open. */
export async function findNextInboundTs(conn: Conn): Promise<number | undefined> {
  return (await nextDue.first(conn))?.due_ts ?? undefined
}

/** Those that are done in mode `forget`: local people may hold what was written. */
export function listHeldInbound(conn: Conn): Promise<InboundErasure[]> {
  return held(conn)
}

/** Notes an erasure that a user's server asked for. */
export async function putInboundErasure(
  tx: Tx,
  asked: { readonly userNid: number; readonly receivedTs: number; readonly untilTs: number; readonly seq: number },
): Promise<void> {
  await put(tx, { ...asked })
}

/** Notes that it is done; false where it was asked for again meanwhile. */
export async function putInboundErasureDone(tx: Tx, userNid: number, receivedTs: number, ts: number): Promise<boolean> {
  return (await finish(tx, { userNid, receivedTs, ts })) > 0
}
