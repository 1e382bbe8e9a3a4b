import { Budget } from '../../util/budget.ts'
import type { Clock } from '../../util/ports.ts'

/** A bucket for so many a second, a second's worth at once; undefined: no limit. */
export function bucketFor(perSecond: number, clock: Clock): Budget | undefined {
  return Number.isFinite(perSecond)
    ? new Budget({ burst: Math.max(1, Math.ceil(perSecond)), perSecond }, clock)
    : undefined
}

/** Waits until every bucket has one to give. Rejects with the signal's reason when the server stops. */
export async function waitForTurn(
  clock: Clock,
  buckets: readonly (Budget | undefined)[],
  signal: AbortSignal,
): Promise<void> {
  for (const bucket of buckets) {
    if (bucket === undefined) continue
    for (let waitMs = bucket.take(); waitMs > 0; waitMs = bucket.take()) await clock.sleep(waitMs, signal)
  }
}
