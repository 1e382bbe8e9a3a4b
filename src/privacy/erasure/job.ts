import type { UserId } from '../../protocol/ids.ts'
import type { Lock, Tx } from '../../store/database.ts'
import { renewErasureLease } from '../../store/erasures.ts'
import type { ErasureMode } from '../../store/erasures.ts'
import type { PrivacyDeps } from '../deps.ts'

/** How long a worker has a job without a sign of life: others take what a killed process had when it is over. */
export const leaseMs = 10_000
/** How often a worker renews it, so that a try may fail. */
export const renewMs = 3_000

/** Another worker has the job by now, or an operator has changed it. */
export class LostLease extends Error {
  override name = 'LostLease'
}

/** One erasure, in the hands of one worker. */
export interface Job {
  readonly nid: number
  readonly id: string
  readonly userNid: number
  readonly userId: UserId
  readonly mode: ErasureMode
  /** T0 */
  readonly lockedTs: number
  readonly deadlineTs: number
  readonly notBeforeTs: number
  readonly collectedTs: number | null
  readonly fence: number
  /** aborted when the server stops */
  readonly signal: AbortSignal
}

/** A step is done, or there is nothing to do before a moment. */
export type StepResult = 'done' | { readonly waitUntilTs: number }

export type Step = (deps: PrivacyDeps, job: Job) => Promise<StepResult>

/**
 * A write of a worker: it fails when somebody else has taken the job, so that nothing is done twice, and keeps the job
 * for another while. Throws LostLease.
 */
export async function writeFor<T>(
  deps: Pick<PrivacyDeps, 'database' | 'clock'>,
  job: Job,
  fn: (tx: Tx) => Promise<T>,
  locks: readonly Lock[] = [],
): Promise<T> {
  job.signal.throwIfAborted()
  return deps.database.write(
    async (tx) => {
      if (!(await renewErasureLease(tx, job.nid, job.fence, deps.clock.now() + leaseMs))) throw new LostLease(job.id)
      return fn(tx)
    },
    { locks },
  )
}
