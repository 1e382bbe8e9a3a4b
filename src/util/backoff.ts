import type { Random } from './ports.ts'

/** How long to wait between tries. */
export interface Backoff {
  readonly initialMs: number
  readonly maxMs: number
  /** 2 unless given */
  readonly factor?: number
  /** part of the wait that is random, 0 to 1; 0 unless given */
  readonly jitter?: number
}

/** The wait after the `failures`-th failure in a row (1 is the first), in ms. */
export function backoffMs(backoff: Backoff, failures: number, random?: Random): number {
  const { initialMs, maxMs, factor = 2, jitter = 0 } = backoff
  const full = Math.min(maxMs, initialMs * factor ** Math.max(0, failures - 1))
  if (jitter === 0 || !random) return full
  return full * (1 - jitter) + (full * jitter * random.integer(1_000_001)) / 1_000_000
}
