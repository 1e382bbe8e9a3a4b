import type { Clock } from '../../src/util/ports.ts'

/** A clock that moves only when the test says so. */
export class FakeClock implements Clock {
  #now: number
  #next = 0
  readonly #timers = new Map<number, { at: number; fn: () => void }>()

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now
  }

  now = (): number => this.#now
  monotonic = (): number => this.#now

  setTimer = (ms: number, fn: () => void): (() => void) => {
    const id = this.#next++
    this.#timers.set(id, { at: this.#now + ms, fn })
    return () => void this.#timers.delete(id)
  }

  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      const cancel = this.setTimer(ms, resolve)
      signal?.addEventListener('abort', () => (cancel(), reject(signal.reason as Error)), { once: true })
    })

  /** Moves on by `ms`, running the timers that become due, in order. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [due] = [...this.#timers].filter(([, { at }]) => at <= end).toSorted(([, a], [, b]) => a.at - b.at)
      if (!due) break
      const [id, { at, fn }] = due
      this.#timers.delete(id)
      this.#now = Math.max(this.#now, at)
      fn()
    }
    this.#now = end
  }
}
