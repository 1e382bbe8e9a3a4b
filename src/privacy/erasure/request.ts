import { hashToken } from '../../accounts/tokens.ts'
import { MatrixError } from '../../protocol/errors.ts'
import type { UserId } from '../../protocol/ids.ts'
import { findAccountByUserId } from '../../store/accounts.ts'
import { findErasure, findErasureById, listErasuresOfUser, putErasureStricter } from '../../store/erasures.ts'
import type { ErasureMode, ErasureRow } from '../../store/erasures.ts'
import { putUserErasureMode } from '../../store/erased-marks.ts'
import { bumpEpoch } from '../../store/epochs.ts'
import { user as userLock } from '../../store/locks.ts'
import type { PrivacyDeps } from '../deps.ts'
import type { ErasureEntry } from '../journal.ts'
import type { Tx } from '../../store/database.ts'
import { AlreadyErasing, lockForErasure } from './lock.ts'
import { stricterStanding } from './states.ts'

type Deps = Pick<
  PrivacyDeps,
  | 'database'
  | 'clock'
  | 'random'
  | 'config'
  | 'log'
  | 'journal'
  | 'sessions'
  | 'outbound'
  | 'changes'
  | 'erased'
  | 'roomCache'
  | 'eraser'
  | 'failpoint'
>

/** Who is to be erased, and by whose decision. */
export interface ErasureRequest {
  readonly userId: UserId
  /** the configured one unless given; may only be stricter */
  readonly mode?: ErasureMode | undefined
  /** `self`, `operator`, or the user id of an administrator */
  readonly by: string
  /** needed unless it is the person's own wish */
  readonly reason?: string | undefined
}

/** The answer to a request. */
export interface ErasureAnswer {
  readonly id: string
  readonly userId: UserId
  readonly mode: ErasureMode
  readonly state: string
  /** shown once: undefined where the erasure had begun before */
  readonly receipt: string | undefined
}

/**
 * Begins the erasure of a local account, deactivated or not. When this returns the account is locked and pruned (T0) and
 * the journal has it. An account that is being erased already stays with that one job; `redact` where `forget` was
 * chosen makes it stricter. Throws `M_NOT_FOUND`, `M_INVALID_PARAM`, `M_MISSING_PARAM`.
 */
export async function requestErasure(deps: Deps, request: ErasureRequest): Promise<ErasureAnswer> {
  const { userId, by } = request
  const mode = chosenMode(deps.config.erasure.mode, request.mode)
  if (by !== 'self' && !request.reason?.trim()) throw new MatrixError('M_MISSING_PARAM', 'An erasure needs a reason')
  const account = await deps.database.read((conn) => findAccountByUserId(conn, userId))
  if (account === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such account')
  return deps.eraser.alone(userId, async () => {
    const running = await findRunning(deps, account.user_nid)
    if (running !== undefined) return answerOf(deps, userId, await strengthen(deps, userId, running, request.mode))
    return begin(deps, request, account.user_nid, mode)
  })
}

function chosenMode(configured: ErasureMode, asked: ErasureMode | undefined): ErasureMode {
  if (asked === undefined || asked === configured || asked === 'redact') return asked ?? configured
  throw new MatrixError('M_INVALID_PARAM', 'An erasure may only be stricter than the published notice')
}

async function findRunning(deps: Deps, userNid: number): Promise<ErasureRow | undefined> {
  const rows = await deps.database.read((conn) => listErasuresOfUser(conn, userNid))
  return rows.findLast(({ state }) => state !== 'CANCELLED')
}

async function begin(deps: Deps, request: ErasureRequest, userNid: number, mode: ErasureMode): Promise<ErasureAnswer> {
  const { userId, by, reason } = request
  const { deadlineMs, delayMs } = deps.config.erasure
  const ts = deps.clock.now()
  const receipt = `lter_${deps.random.token(32)}`
  const entry: ErasureEntry = {
    kind: 'erasure',
    ts,
    user: userId,
    mode,
    id: deps.random.token(12),
    deadline: ts + deadlineMs,
    receipt: hashToken(receipt),
    salt: Buffer.from(deps.random.bytes(32)).toString('base64'),
    by,
    delay: delayMs,
  }
  deps.failpoint?.('erasure:before:JOURNAL')
  const record = await deps.journal.begin(entry, async (conn) => (await findErasureById(conn, entry.id)) !== undefined)
  deps.failpoint?.('erasure:after:JOURNAL')
  try {
    await deps.database.write(
      async (tx) => {
        await lockForErasure(tx, deps, {
          ...lockOf(entry, userNid, record.seq),
          reason: reason ?? null,
        })
      },
      { locks: [userLock(userNid)] },
    )
  } catch (error) {
    await record.abandoned()
    const running = await findRunning(deps, userNid)
    const isOurs = running?.id === entry.id
    if (running === undefined || !(isOurs || error instanceof AlreadyErasing)) throw error
    return { ...(await answerOf(deps, userId, running)), ...(isOurs ? { receipt } : {}) }
  }
  deps.failpoint?.('erasure:after:LOCKED')
  return { id: entry.id, userId, mode, state: 'LOCKED', receipt }
}

/** What a line of the journal says to the transaction that it stands for. */
export function lockOf(entry: ErasureEntry, userNid: number, journalSeq: number): Parameters<typeof lockForErasure>[2] {
  return {
    id: entry.id,
    userId: entry.user,
    userNid,
    mode: entry.mode,
    ts: entry.ts,
    deadlineTs: entry.deadline,
    delayMs: entry.delay,
    by: entry.by,
    reason: null,
    receiptHash: entry.receipt,
    salt: Buffer.from(entry.salt, 'base64'),
    journalSeq,
  }
}

async function answerOf(deps: Deps, userId: UserId, row: ErasureRow): Promise<ErasureAnswer> {
  const fresh = (await deps.database.read((conn) => findErasure(conn, row.erasure_nid))) ?? row
  return { id: fresh.id, userId, mode: fresh.mode as ErasureMode, state: fresh.state, receipt: undefined }
}

/** A second request may make a job stricter, as long as it is not settled. */
async function strengthen(
  deps: Deps,
  userId: UserId,
  row: ErasureRow,
  asked: ErasureMode | undefined,
): Promise<ErasureRow> {
  if (asked !== 'redact' || row.mode === 'redact' || row.settled_ts !== null) return row
  const entry = { kind: 'stricter', ts: deps.clock.now(), user: userId, id: row.id } as const
  const record = await deps.journal.begin(
    entry,
    async (conn) => (await findErasure(conn, row.erasure_nid))?.mode === 'redact',
  )
  try {
    await deps.database.write(async (tx) => {
      await record.inTransaction(tx)
      const now = await findErasure(tx, row.erasure_nid)
      if (now !== undefined) await makeStricter(tx, deps, now)
    })
  } catch (error) {
    await record.abandoned()
    throw error
  }
  deps.eraser.wake()
  return row
}

/** From `forget` to `redact`, in the caller's transaction; one that is settled or over stays as it is. */
export async function makeStricter(
  tx: Tx,
  deps: Pick<PrivacyDeps, 'erased' | 'changes'>,
  row: ErasureRow,
): Promise<void> {
  if (row.mode === 'redact' || row.settled_ts !== null || row.state === 'CANCELLED') return
  const { erasure_nid: nid, user_nid: userNid } = row
  const { state, resume } = stricterStanding(row)
  await putErasureStricter(tx, nid, state, resume)
  await putUserErasureMode(tx, userNid, 'redact')
  await bumpEpoch(tx, 'erasures')
  const erasedTs = row.locked_ts ?? row.requested_ts
  tx.onCommit(() => deps.erased.add(userNid, { erasedTs, mode: 'redact', returnedTs: undefined }))
  tx.afterCommit(() => deps.changes.announce({ everything: true }))
}
