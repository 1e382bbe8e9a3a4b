import type { Log } from '../util/log.ts'
import type { Clock } from '../util/ports.ts'

/** Work that is done again and again until the server stops. */
export class Repeated {
  readonly #clock: Clock
  readonly #log: Log
  readonly #cancels = new Map<string, () => void>()
  readonly #running = new Set<Promise<void>>()
  #isStopped = false

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** Runs `fn` after `everyMs`, and again that long after each end; what it throws is logged. */
  add(name: string, everyMs: number, fn: () => Promise<unknown>): void {
    if (this.#isStopped) return
    const cancel = this.#clock.setTimer(everyMs, () => {
      const run = this.#run(name, fn).finally(() => {
        this.#running.delete(run)
        this.add(name, everyMs, fn)
      })
      this.#running.add(run)
    })
    this.#cancels.set(name, cancel)
  }

  /** Begins nothing more, and waits for what runs. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const cancel of this.#cancels.values()) cancel()
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
