import { eq, isNotNull } from 'drizzle-orm'
import { destinations } from '../../schema/tables/federation.ts'
import { servers } from '../../schema/tables/rooms.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { query, sqlReturning, sqlRun } from './query.ts'
import { putServer } from './servers.ts'

/** How a destination has been failing. */
export interface DestinationState {
  readonly failingSinceTs: number | null
  readonly retryTs: number
  readonly intervalMs: number
}

const listFailing = query('listFailingDestinations')(({ db, t }) =>
  db
    .select({
      name: t(servers).name,
      failingSinceTs: t(destinations).failing_since_ts,
      retryTs: t(destinations).retry_ts,
      intervalMs: t(destinations).interval_ms,
    })
    .from(t(destinations))
    .innerJoin(t(servers), eq(t(servers).server_nid, t(destinations).server_nid))
    .where(isNotNull(t(destinations).failing_since_ts)),
)

const put = query<{
  serverNid: number
  failingSinceTs: number | null
  retryTs: number
  intervalMs: number
  lastOkTs: number | null
}>('putDestinationState')(({ db, t, p, excluded }) =>
  db
    .insert(t(destinations))
    .values({
      server_nid: p.serverNid,
      failing_since_ts: p.failingSinceTs,
      retry_ts: p.retryTs,
      interval_ms: p.intervalMs,
      last_ok_ts: p.lastOkTs,
    })
    .onConflictDoUpdate({
      target: t(destinations).server_nid,
      set: {
        failing_since_ts: excluded(t(destinations).failing_since_ts),
        retry_ts: excluded(t(destinations).retry_ts),
        interval_ms: excluded(t(destinations).interval_ms),
        last_ok_ts: excluded(t(destinations).last_ok_ts),
      },
    }),
)

const lease = sqlReturning<{ serverNid: number; writer: number; now: number; until: number }, { fence: number }>(
  'leaseDestination',
  `insert into destinations (server_nid, retry_ts, interval_ms, lease_writer, lease_until_ts, fence)
   values (:serverNid, 0, 0, :writer, :until, 1)
   on conflict (server_nid) do update set
     fence = case when destinations.lease_writer = :writer then destinations.fence else destinations.fence + 1 end,
     lease_writer = :writer, lease_until_ts = :until
   where destinations.lease_writer = :writer or destinations.lease_writer is null or destinations.lease_until_ts < :now
   returning fence`,
)

const findFence = query<{ serverNid: number }>('findDestinationFence')(({ db, t, p }) =>
  db
    .select({ fence: t(destinations).fence, writer: t(destinations).lease_writer })
    .from(t(destinations))
    .where(eq(t(destinations).server_nid, p.serverNid)),
)

const release = sqlRun<{ serverNid: number; writer: number }>(
  'releaseDestination',
  'update destinations set lease_writer = null where server_nid = :serverNid and lease_writer = :writer',
)

const releaseAll = sqlRun<{ writer: number }>(
  'releaseAllDestinations',
  'update destinations set lease_writer = null where lease_writer = :writer',
)

/** Every destination that is failing, with how. */
export async function listFailingDestinations(conn: Conn): Promise<Map<ServerName, DestinationState>> {
  return new Map((await listFailing(conn)).map(({ name, ...state }) => [name as ServerName, state]))
}

/** Notes how a destination is doing; `okTs`: it has answered at that moment. */
export async function putDestinationState(
  tx: Tx,
  server: ServerName,
  state: DestinationState,
  okTs: number | null,
): Promise<void> {
  const serverNid = await putServer(tx, server)
  await put(tx, { serverNid, ...state, lastOkTs: okTs })
}

/** Takes or renews the right to send to a destination; undefined while another process has it. Returns the fencing number. */
export async function leaseDestination(
  tx: Tx,
  serverNid: number,
  now: number,
  untilTs: number,
): Promise<number | undefined> {
  return (await lease.first(tx, { serverNid, writer: tx.writerNid, now, until: untilTs }))?.fence
}

/** Whether this process still has the right that it was given with this fencing number. */
export async function isDestinationLeased(tx: Tx, serverNid: number, fence: number): Promise<boolean> {
  const row = await findFence.first(tx, { serverNid })
  return row?.fence === fence && row.writer === tx.writerNid
}

/** Gives the right to send back. */
export async function releaseDestination(tx: Tx, serverNid: number): Promise<void> {
  await release(tx, { serverNid, writer: tx.writerNid })
}

/** Gives all rights of this process back, when it stops. */
export async function releaseAllDestinations(tx: Tx): Promise<void> {
  await releaseAll(tx, { writer: tx.writerNid })
}
