import { asc, eq, sql } from 'drizzle-orm'
import { erasures } from '../../schema/tables/erasure.ts'
import type { UserId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { query, sqlQuery, sqlReturning, sqlRun } from './query.ts'

/** What an erasure does to rooms that are shared. */
export type ErasureMode = 'redact' | 'forget'

/** The steps of an erasure (ERASURE.md section 5): the one that is being worked on, or has been reached. */
export type ErasureState =
  | 'REQUESTED'
  | 'LOCKED'
  | 'CENSUS'
  | 'SCRUB'
  | 'REDACT'
  | 'PART'
  | 'COLLECT'
  | 'SETTLED'
  | 'CLOSED'
  | 'HELD'
  | 'STUCK'
  | 'CANCELLED'

const byNid = query<{ nid: number }>('findErasure')(({ db, t, p }) =>
  db
    .select()
    .from(t(erasures))
    .where(eq(t(erasures).erasure_nid, p.nid)),
)
const byId = query<{ id: string }>('findErasureById')(({ db, t, p }) =>
  db
    .select()
    .from(t(erasures))
    .where(eq(t(erasures).id, p.id)),
)
const byReceipt = query<{ hash: string }>('findErasureByReceipt')(({ db, t, p }) =>
  db
    .select()
    .from(t(erasures))
    .where(eq(t(erasures).receipt_hash, p.hash)),
)
const ofUser = query<{ userNid: number }>('listErasuresOfUser')(({ db, t, p }) =>
  db
    .select()
    .from(t(erasures))
    .where(eq(t(erasures).user_nid, p.userNid))
    .orderBy(asc(t(erasures).erasure_nid)),
)
const all = query('listErasures')(({ db, t }) =>
  db
    .select()
    .from(t(erasures))
    .orderBy(asc(t(erasures).erasure_nid)),
)
const open = query('listOpenErasures')(({ db, t }) =>
  db
    .select()
    .from(t(erasures))
    .where(sql`${t(erasures).state} not in ('CLOSED', 'CANCELLED')`)
    .orderBy(asc(t(erasures).erasure_nid)),
)
const ids = query('listErasureIds')(({ db, t }) => db.select({ id: t(erasures).id }).from(t(erasures)))

const insert = query<{ [K in keyof NewErasure]: NewErasure[K] }>('insertErasure')(({ db, t, p }) =>
  db
    .insert(t(erasures))
    .values({
      id: p.id,
      user_nid: p.userNid,
      mode: p.mode,
      state: 'LOCKED',
      resume_state: null,
      requested_ts: p.requestedTs,
      deadline_ts: p.deadlineTs,
      not_before_ts: p.notBeforeTs,
      locked_ts: p.lockedTs,
      scrubbed_ts: null,
      collected_ts: null,
      settled_ts: null,
      closed_ts: null,
      requested_by: p.requestedBy,
      reason: p.reason,
      receipt_hash: p.receiptHash,
      salt: p.salt,
      journal_seq: p.journalSeq,
      counts: '{}',
    })
    .returning({ nid: t(erasures).erasure_nid }),
)
const lease = sqlReturning<{ nid: number; now: number; until: number }, { fence: number }>(
  'leaseErasure',
  `update erasures set fence = fence + 1, lease_until_ts = :until
   where erasure_nid = :nid and lease_until_ts <= :now and state not in ('CLOSED', 'CANCELLED', 'HELD') returning fence`,
)
const renew = sqlRun<{ nid: number; fence: number; until: number }>(
  'renewErasureLease',
  'update erasures set lease_until_ts = :until where erasure_nid = :nid and fence = :fence',
)
const release = sqlRun<{ nid: number; fence: number }>(
  'releaseErasureLease',
  'update erasures set lease_until_ts = 0 where erasure_nid = :nid and fence = :fence',
)
const releaseAll = sqlRun<Record<never, never>>(
  'releaseAllErasureLeases',
  'update erasures set lease_until_ts = 0 where lease_until_ts <> 0',
)
const setState = sqlRun<{ nid: number; state: string; resume: string | null }>(
  'putErasureState',
  'update erasures set state = :state, resume_state = :resume, fence = fence + 1, lease_until_ts = 0 where erasure_nid = :nid',
)
const advance = sqlRun<{
  nid: number
  state: string
  resume: string | null
  settled: number | null
  closed: number | null
}>('advanceErasure', {
  sqlite: `update erasures set state = :state, resume_state = :resume, settled_ts = coalesce(settled_ts, :settled),
      closed_ts = coalesce(closed_ts, :closed) where erasure_nid = :nid`,
  postgres: `update erasures set state = :state, resume_state = :resume, settled_ts = coalesce(settled_ts, :settled::bigint),
      closed_ts = coalesce(closed_ts, :closed::bigint) where erasure_nid = :nid`,
})
const setStuck = sqlRun<{ nid: number; state: string }>(
  'putErasureStuck',
  `update erasures set state = 'STUCK', resume_state = :state
   where erasure_nid = :nid and state = :state and settled_ts is null`,
)
const setScrubbed = sqlRun<{ nid: number; ts: number }>(
  'putErasureScrubbed',
  'update erasures set scrubbed_ts = :ts where erasure_nid = :nid and scrubbed_ts is null',
)
const setCollected = sqlRun<{ nid: number; ts: number }>(
  'putErasureCollected',
  'update erasures set collected_ts = :ts where erasure_nid = :nid and collected_ts is null',
)
const setCounts = sqlRun<{ nid: number; counts: string }>(
  'putErasureCounts',
  'update erasures set counts = :counts where erasure_nid = :nid',
)
const strengthen = sqlRun<{ nid: number; state: string; resume: string | null }>(
  'putErasureStricter',
  `update erasures set mode = 'redact', state = :state, resume_state = :resume, collected_ts = null, fence = fence + 1,
     lease_until_ts = 0 where erasure_nid = :nid`,
)
const userOf = sqlQuery<{ nid: number }, { user_id: string }>(
  'findUserOfErasure',
  'select user_id from users where user_nid = :nid',
)

/** A row of `erasures`. */
export type ErasureRow = NonNullable<Awaited<ReturnType<typeof byNid.first>>>

/** What a new erasure is made of; it is LOCKED from its first moment. */
export interface NewErasure {
  readonly id: string
  readonly userNid: number
  readonly mode: ErasureMode
  readonly requestedTs: number
  readonly deadlineTs: number
  /** what cannot be taken back waits until here */
  readonly notBeforeTs: number
  /** T0 */
  readonly lockedTs: number
  /** `self`, or who decided */
  readonly requestedBy: string
  readonly reason: string | null
  readonly receiptHash: string
  readonly salt: Buffer
  readonly journalSeq: number
}

/** An erasure by its row id. */
export function findErasure(conn: Conn, nid: number): Promise<ErasureRow | undefined> {
  return byNid.first(conn, { nid })
}

/** An erasure by its public id. */
export function findErasureById(conn: Conn, id: string): Promise<ErasureRow | undefined> {
  return byId.first(conn, { id })
}

/** The erasure that a receipt's hash belongs to. */
export function findErasureByReceipt(conn: Conn, hash: string): Promise<ErasureRow | undefined> {
  return byReceipt.first(conn, { hash })
}

/** All erasures of a user, oldest first. */
export function listErasuresOfUser(conn: Conn, userNid: number): Promise<ErasureRow[]> {
  return ofUser(conn, { userNid })
}

/** All erasures, oldest first. */
export function listErasures(conn: Conn): Promise<ErasureRow[]> {
  return all(conn)
}

/** Erasures that are neither closed nor cancelled. */
export function listOpenErasures(conn: Conn): Promise<ErasureRow[]> {
  return open(conn)
}

/** The ids of all erasures. */
export async function listErasureIds(conn: Conn): Promise<Set<string>> {
  return new Set((await ids(conn)).map(({ id }) => id))
}

/** Stores an erasure; gives its row id. */
export async function insertErasure(tx: Tx, erasure: NewErasure): Promise<number> {
  const row = await insert.first(tx, { ...erasure })
  if (row === undefined) throw new Error('an erasure that was inserted has no row id')
  return row.nid
}

/** Takes the right to work on an erasure; undefined while another worker has it. Gives the fencing number. */
export async function leaseErasure(tx: Tx, nid: number, now: number, untilTs: number): Promise<number | undefined> {
  return (await lease.first(tx, { nid, now, until: untilTs }))?.fence
}

/** Keeps the right until `untilTs`; false where somebody else has it by now. */
export async function renewErasureLease(tx: Tx, nid: number, fence: number, untilTs: number): Promise<boolean> {
  return (await renew(tx, { nid, fence, until: untilTs })) > 0
}

/** Gives the right back. */
export async function releaseErasureLease(tx: Tx, nid: number, fence: number): Promise<void> {
  await release(tx, { nid, fence })
}

/** Gives back all rights: of a process that had the database to itself and is gone. */
export async function releaseAllErasureLeases(tx: Tx): Promise<void> {
  await releaseAll(tx)
}

/** Sets a state by decision of an operator, and takes the job from whoever works on it. */
export async function putErasureState(
  tx: Tx,
  nid: number,
  state: ErasureState,
  resume: ErasureState | null,
): Promise<void> {
  await setState(tx, { nid, state, resume })
}

/** Sets the state that the job has reached. */
export async function advanceErasure(
  tx: Tx,
  nid: number,
  reached: { state: ErasureState; resume: ErasureState | null; settledTs?: number; closedTs?: number },
): Promise<void> {
  const { state, resume, settledTs, closedTs } = reached
  await advance(tx, { nid, state, resume, settled: settledTs ?? null, closed: closedTs ?? null })
}

/** Notes that a deadline was missed at this state; not where the job has moved on, or was held, meanwhile. */
export async function putErasureStuck(tx: Tx, nid: number, state: ErasureState): Promise<void> {
  await setStuck(tx, { nid, state })
}

/** Notes that SCRUB is done. */
export async function putErasureScrubbed(tx: Tx, nid: number, ts: number): Promise<void> {
  await setScrubbed(tx, { nid, ts })
}

/** Notes that everything is deleted, and only the rewrite is missing. */
export async function putErasureCollected(tx: Tx, nid: number, ts: number): Promise<void> {
  await setCollected(tx, { nid, ts })
}

/** Replaces the counts (serialised JSON). */
export async function putErasureCounts(tx: Tx, nid: number, counts: string): Promise<void> {
  await setCounts(tx, { nid, counts })
}

/** From `forget` to `redact`, by a second request: the job goes on from the state given, taken from whoever works on it. */
export async function putErasureStricter(
  tx: Tx,
  nid: number,
  state: ErasureState,
  resume: ErasureState | null,
): Promise<void> {
  await strengthen(tx, { nid, state, resume })
}

/** The user id of an erasure's person. */
export async function findUserOfErasure(conn: Conn, userNid: number): Promise<UserId | undefined> {
  return (await userOf.first(conn, { nid: userNid }))?.user_id as UserId | undefined
}
