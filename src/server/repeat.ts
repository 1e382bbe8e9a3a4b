import type { Log } from '../util/log.ts'
import type { Clock } from '../util/ports.ts'

/** Work that is done again and again until the server stops. */
export class Repeated {
  readonly #clock: Clock
  readonly #log: Log
  readonly #cancels = new Set<() => void>()
  readonly #running = new Set<Promise<void>>()
  #isStopped = false

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** Runs `fn` soon, once; what it throws is logged. */
  once(name: string, fn: () => Promise<unknown>): void {
    this.#after(0, name, fn, () => {})
  }

  /** Runs `fn` after `everyMs`, and again that long after each end; what it throws is logged. */
  add(name: string, everyMs: number, fn: () => Promise<unknown>): void {
    this.#after(everyMs, name, fn, () => this.add(name, everyMs, fn))
  }

  #after(ms: number, name: string, fn: () => Promise<unknown>, then: () => void): void {
    if (this.#isStopped) return
    const cancel = this.#clock.setTimer(ms, () => {
      this.#cancels.delete(cancel)
      const run = this.#run(name, fn).finally(() => {
        this.#running.delete(run)
        then()
      })
      this.#running.add(run)
    })
    this.#cancels.add(cancel)
  }

  /** Begins nothing more, and waits for what runs. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const cancel of this.#cancels) cancel()
    await Promise.all(this.#running)
  }

  async #run(name: string, fn: () => Promise<unknown>): Promise<void> {
    try {
      await fn()
    } catch (error) {
      this.#log.error('repeated work failed', { work: name, error })
    }
  }
}
