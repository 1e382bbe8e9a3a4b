import type { Clock } from './ports.ts'

/** A token bucket: `burst` at once, then `perSecond`. */
export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

/** The state of one bucket. */
export class Budget {
  readonly #rate: Rate
  readonly #clock: Clock
  #left: number
  #since: number

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate
    this.#clock = clock
    this.#left = rate.burst
    this.#since = clock.monotonic()
  }

  /** Takes `cost`; returns 0, or without taking it the ms after which it can be had (Infinity: never). */
  take(cost = 1): number {
    const { burst, perSecond } = this.#rate
    const now = this.#clock.monotonic()
    this.#left = Math.min(burst, this.#left + ((now - this.#since) / 1000) * perSecond)
    this.#since = now
    if (cost > burst) return Infinity
    if (this.#left >= cost) {
      this.#left -= cost
      return 0
    }
    return perSecond === 0 ? Infinity : Math.ceil(((cost - this.#left) / perSecond) * 1000)
  }

  /** True when the bucket is full again, so that it need not be kept. */
  get isFull(): boolean {
    const { burst, perSecond } = this.#rate
    return this.#left + ((this.#clock.monotonic() - this.#since) / 1000) * perSecond >= burst
  }
}

/** Buckets by key, of bounded number: full ones are dropped first, then the oldest. */
export class Budgets {
  readonly #rate: Rate
  readonly #clock: Clock
  readonly #most: number
  readonly #buckets = new Map<string, Budget>()

  constructor(rate: Rate, clock: Clock, most = 10_000) {
    this.#rate = rate
    this.#clock = clock
    this.#most = most
  }

  /** As `Budget.take`, for the bucket of `key`. */
  take(key: string, cost = 1): number {
    let bucket = this.#buckets.get(key)
    if (!bucket) {
      if (this.#buckets.size >= this.#most) this.#shrink()
      bucket = new Budget(this.#rate, this.#clock)
      this.#buckets.set(key, bucket)
    }
    return bucket.take(cost)
  }

  #shrink(): void {
    for (const [key, bucket] of this.#buckets) if (bucket.isFull) this.#buckets.delete(key)
    for (const key of this.#buckets.keys()) {
      if (this.#buckets.size < this.#most) return
      this.#buckets.delete(key)
    }
  }
}

/** So much work and no more, for one task: `spend` is false once it is used up. */
export class Allowance {
  #left: number
  #failures = 0

  constructor(amount: number) {
    this.#left = amount
  }

  get left(): number {
    return this.#left
  }

  /** How much of what was spent brought no answer. */
  get failures(): number {
    return this.#failures
  }

  /** What was spent last brought no answer, not even a refusal. */
  failed(): void {
    this.#failures++
  }

  /** Takes `cost` when there is enough left. */
  spend(cost = 1): boolean {
    if (this.#left < cost) return false
    this.#left -= cost
    return true
  }
}
