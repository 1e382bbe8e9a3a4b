import {
  advanceErasure,
  findErasure,
  findUserOfErasure,
  leaseErasure,
  releaseErasureLease,
  renewErasureLease,
} from '../../store/erasures.ts'
import type { ErasureMode, ErasureRow } from '../../store/erasures.ts'
import { deleteErasureWork } from '../../store/erasure-events.ts'
import type { PrivacyDeps } from '../deps.ts'
import { takeCensus } from './census.ts'
import { issueCertificate } from './certificate.ts'
import { close } from './close.ts'
import { collect } from './collect.ts'
import type { Job, StepResult } from './job.ts'
import { leaseMs, LostLease, renewMs, writeFor } from './job.ts'
import { part } from './part.ts'
import { redact } from './redact.ts'
import { scrub } from './scrub.ts'
import { standingAt, stateAfter, stepOf } from './states.ts'
import type { Step } from './states.ts'

const work: Readonly<Record<Step, (deps: PrivacyDeps, job: Job) => Promise<StepResult>>> = {
  LOCKED: () => Promise.resolve('done'),
  CENSUS: takeCensus,
  SCRUB: scrub,
  REDACT: redact,
  PART: part,
  COLLECT: collect,
  SETTLED: close,
}

/** How far a worker goes. */
export interface WorkLimits {
  readonly signal: AbortSignal
  /** stops before these steps */
  readonly before?: readonly Step[]
  /** called when the job has come to another state */
  readonly reached?: () => void
}

/**
 * Works on one erasure as far as it goes now: each step ends with a durable transition, so that after a crash the next
 * worker goes on from there. Gives when to come again, undefined when there is nothing more to do or another worker has
 * it.
 */
export async function workOn(
  deps: PrivacyDeps,
  erasureNid: number,
  { signal, before = [], reached }: WorkLimits,
): Promise<number | undefined> {
  const now = deps.clock.now()
  const fence = await deps.database.write((tx) => leaseErasure(tx, erasureNid, now, now + leaseMs))
  if (fence === undefined) return leaseEnd(deps, erasureNid)
  const stopRenewing = keepLease(deps, erasureNid, fence)
  try {
    for (;;) {
      const job = await loadJob(deps, erasureNid, fence, signal)
      if (job === undefined || before.includes(job.step)) return undefined
      const result = await work[job.step](deps, job)
      if (result !== 'done') return result.waitUntilTs
      deps.failpoint?.(`erasure:before:${stateAfter(job.step, job.mode)}`)
      await advance(deps, job)
      reached?.()
      deps.failpoint?.(`erasure:after:${job.step}`)
    }
  } catch (error) {
    if (error instanceof LostLease) return leaseEnd(deps, erasureNid)
    throw error
  } finally {
    stopRenewing()
    await deps.database.write((tx) => releaseErasureLease(tx, erasureNid, fence)).catch(() => undefined)
  }
}

/** When another worker's lease ends, unless that worker renews it; undefined where there is nothing to work on. */
async function leaseEnd(deps: PrivacyDeps, nid: number): Promise<number | undefined> {
  const row = await deps.database.read((conn) => findErasure(conn, nid))
  return row === undefined || stepOf(row) === undefined ? undefined : row.lease_until_ts
}

interface Loaded extends Job {
  readonly step: Step
}

async function loadJob(
  deps: PrivacyDeps,
  nid: number,
  fence: number,
  signal: AbortSignal,
): Promise<Loaded | undefined> {
  signal.throwIfAborted()
  const row = await deps.database.read((conn) => findErasure(conn, nid))
  const userId = row && (await deps.database.read((conn) => findUserOfErasure(conn, row.user_nid)))
  const step = row && stepOf(row)
  if (row === undefined || userId === undefined || step === undefined) return undefined
  return { ...jobOf(row, fence, signal), userId, step }
}

function jobOf(row: ErasureRow, fence: number, signal: AbortSignal): Omit<Job, 'userId'> {
  return {
    nid: row.erasure_nid,
    id: row.id,
    userNid: row.user_nid,
    mode: row.mode as ErasureMode,
    lockedTs: row.locked_ts ?? row.requested_ts,
    deadlineTs: row.deadline_ts,
    notBeforeTs: row.not_before_ts,
    collectedTs: row.collected_ts,
    fence,
    signal,
  }
}

async function advance(deps: PrivacyDeps, job: Loaded): Promise<void> {
  const reached = stateAfter(job.step, job.mode)
  await writeFor(deps, job, async (tx) => {
    const ts = deps.clock.now()
    const isLate = ts > job.deadlineTs && job.step !== 'COLLECT'
    if (reached === 'SETTLED') await issueCertificate(tx, deps, job, ts)
    if (reached === 'CLOSED') await deleteErasureWork(tx, job.nid)
    await advanceErasure(tx, job.nid, {
      ...standingAt(reached, isLate),
      ...(reached === 'SETTLED' ? { settledTs: ts } : {}),
      ...(reached === 'CLOSED' ? { closedTs: ts } : {}),
    })
  })
}

/** Keeps the lease through what takes long without a write: a rewrite, a slow server. */
function keepLease(deps: PrivacyDeps, nid: number, fence: number): () => void {
  let cancel = () => {}
  let isOver = false
  const arm = () => {
    cancel = deps.clock.setTimer(renewMs, () => {
      void deps.database
        .write((tx) => renewErasureLease(tx, nid, fence, deps.clock.now() + leaseMs))
        .catch((error: unknown) => {
          // still ours until it ends: the next try may come in time
          deps.log.warn('the lease of an erasure could not be renewed', { error })
          return true
        })
        .then((isKept) => (isKept && !isOver ? arm() : undefined))
    })
  }
  arm()
  return () => {
    isOver = true
    cancel()
  }
}
