import type { ServerName, UserId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { sqlQuery, sqlReturning, sqlRun } from './query.ts'

/** What a server has answered. */
export type PeerState = 'pending' | 'acknowledged' | 'unsupported' | 'refused' | 'expired'

/** A line of the ledger. */
export interface ErasurePeer {
  readonly server_nid: number
  readonly host: ServerName
  readonly state: PeerState
  readonly attempts: number
  readonly next_ts: number
  readonly last_ts: number | null
  readonly last_error: string | null
}

/** A server that is to be told now. */
export interface DuePeer {
  readonly erasure_nid: number
  readonly id: string
  readonly user_id: UserId
  readonly locked_ts: number
  readonly server_nid: number
  readonly host: ServerName
  readonly state: PeerState
  readonly attempts: number
}

const list = sqlQuery<{ nid: number }, ErasurePeer>(
  'listErasurePeers',
  `select p.server_nid, s.name as host, p.state, p.attempts, p.next_ts, p.last_ts, p.last_error
   from erasure_peers p join servers s on s.server_nid = p.server_nid where p.erasure_nid = :nid order by s.name`,
)
// only erasures that have left the rooms: before that the redactions are on their way
const due = sqlQuery<{ now: number; most: number }, DuePeer>(
  'listDuePeers',
  `select p.erasure_nid, e.id, u.user_id, e.locked_ts, p.server_nid, s.name as host, p.state, p.attempts
   from erasure_peers p join erasures e on e.erasure_nid = p.erasure_nid
     join users u on u.user_nid = e.user_nid join servers s on s.server_nid = p.server_nid
   where p.state in ('pending', 'unsupported') and p.next_ts <= :now
     and (e.state in ('COLLECT', 'SETTLED') or (e.state = 'STUCK' and e.resume_state in ('COLLECT', 'SETTLED')))
   order by p.next_ts limit :most`,
)
const next = sqlQuery<object, { next_ts: number | null }>(
  'findNextPeerTs',
  `select min(p.next_ts) as next_ts from erasure_peers p join erasures e on e.erasure_nid = p.erasure_nid
   where p.state in ('pending', 'unsupported')
     and (e.state in ('COLLECT', 'SETTLED') or (e.state = 'STUCK' and e.resume_state in ('COLLECT', 'SETTLED')))`,
)
const claim = sqlReturning<{ nid: number; serverNid: number; now: number; next: number }, { attempts: number }>(
  'claimPeer',
  `update erasure_peers set attempts = attempts + 1, next_ts = :next
   where erasure_nid = :nid and server_nid = :serverNid and state in ('pending', 'unsupported') and next_ts <= :now
   returning attempts`,
)
const put = sqlRun<{ nid: number; serverNid: number; state: string; next: number; ts: number; error: string | null }>(
  'putPeer',
  `update erasure_peers set state = :state, next_ts = :next, last_ts = :ts, last_error = :error
   where erasure_nid = :nid and server_nid = :serverNid`,
)
const contact = sqlRun<{ serverNid: number; now: number; since: number }>(
  'wakePeer',
  `update erasure_peers set next_ts = :now
   where server_nid = :serverNid and state = 'pending' and next_ts > :now and (last_ts is null or last_ts <= :since)`,
)
const openPeers = sqlQuery<object, { host: ServerName }>(
  'listPendingHosts',
  `select distinct s.name as host from erasure_peers p join servers s on s.server_nid = p.server_nid where p.state = 'pending'`,
)

/** The ledger of an erasure, by host. */
export function listErasurePeers(conn: Conn, nid: number): Promise<ErasurePeer[]> {
  return list(conn, { nid })
}

/** Servers that are to be told by now, of all erasures that have come that far. */
export function listDuePeers(conn: Conn, now: number, most: number): Promise<DuePeer[]> {
  return due(conn, { now, most })
}

/** When the next server is to be told, undefined where none is left. */
export async function findNextPeerTs(conn: Conn): Promise<number | undefined> {
  return (await next.first(conn))?.next_ts ?? undefined
}

/** Takes a server that is due, so that nobody else asks it before `nextTs`; gives how often it was asked, this time included. */
export async function claimPeer(
  tx: Tx,
  nid: number,
  serverNid: number,
  now: number,
  nextTs: number,
): Promise<number | undefined> {
  return (await claim.first(tx, { nid, serverNid, now, next: nextTs }))?.attempts
}

/** Notes what a server answered at `ts`. */
export async function putPeer(
  tx: Tx,
  nid: number,
  serverNid: number,
  answer: { readonly state: PeerState; readonly nextTs: number; readonly ts: number; readonly error: string | null },
): Promise<void> {
  const { state, nextTs, ts, error } = answer
  await put(tx, { nid, serverNid, state, next: nextTs, ts, error })
}

/** A server is there: what waits for it is due now, unless it was asked after `sinceTs`. Gives how many erasures. */
export async function wakePeer(tx: Tx, serverNid: number, now: number, sinceTs: number): Promise<number> {
  return contact(tx, { serverNid, now, since: sinceTs })
}

/** The servers for which anything waits. */
export async function listPendingHosts(conn: Conn): Promise<Set<ServerName>> {
  return new Set((await openPeers(conn)).map(({ host }) => host))
}

const retryPeers = sqlRun<{ nid: number; now: number }>(
  'retryPeers',
  `update erasure_peers set state = case when state = 'unsupported' then state else 'pending' end, next_ts = :now
   where erasure_nid = :nid and state in ('pending', 'unsupported', 'refused', 'expired')`,
)
const retryRooms = sqlRun<{ nid: number; now: number }>(
  'retryRoomsToLeave',
  `update erasure_rooms set state = 'leaving', not_before_ts = :now where erasure_nid = :nid and state in ('leaving', 'failed')`,
)

/** Makes all that waits for other servers due, also what was refused or given up. */
export async function retryErasureWork(tx: Tx, nid: number, now: number): Promise<void> {
  await retryPeers(tx, { nid, now })
  await retryRooms(tx, { nid, now })
}
