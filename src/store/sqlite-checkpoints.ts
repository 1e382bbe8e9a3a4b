import type { Clock } from '../util/ports.ts'
import { driverCode, isFailedSync } from './errors.ts'
import type { Checkpointer } from './sqlite-threads.ts'

const aimFrames = 2_000
const idleMs = 2_000
const largestLogBytes = 64 * 2 ** 20
const vacuumTries = 600

/** Keeps the log short: decides when the checkpoint thread works. */
export class Checkpoints {
  readonly #thread: Checkpointer
  readonly #clock: Clock
  readonly #onFault: (error: unknown) => void
  readonly #onFatal: (error: Error) => void
  #every = 100
  #commits = 0
  #isBusy = false
  #isClosed = false
  #cancel = () => {}
  #forcedAt = -Infinity

  constructor(
    thread: Checkpointer,
    clock: Clock,
    on: { readonly onFault: (error: unknown) => void; readonly onFatal: (error: Error) => void },
  ) {
    this.#thread = thread
    this.#clock = clock
    this.#onFault = on.onFault
    this.#onFatal = on.onFatal
  }

  /** After each sync: checkpoints after some commits, when nothing more comes, and by force when the log is too big. */
  synced(logBytes: number): void {
    this.#commits++
    this.#cancel()
    if (this.#isClosed || this.#isBusy) return
    const isTooBig = logBytes > largestLogBytes && this.#clock.monotonic() - this.#forcedAt > 1000
    if (isTooBig) {
      this.#forcedAt = this.#clock.monotonic()
      void this.#run('TRUNCATE')
    } else if (this.#commits >= this.#every) void this.#run('PASSIVE')
    else this.#cancel = this.#clock.setTimer(idleMs, () => void this.#run('PASSIVE'))
  }

  /** Rewrites the database, then empties the log. */
  async rewrite(): Promise<void> {
    await this.#again(() => this.#thread.vacuum().then(() => true))
    await this.#again(async () => !(await this.#thread.checkpoint('TRUNCATE')).busy)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancel()
    await this.#thread.checkpoint('TRUNCATE').catch((error: unknown) => this.#failed(error))
    await this.#thread.close()
  }

  async #again(fn: () => Promise<boolean>): Promise<void> {
    for (let left = vacuumTries; left > 0; left--) {
      try {
        if (await fn()) return
      } catch (error) {
        this.#assertSynced(error)
        if (!driverCode(error).startsWith('SQLITE_BUSY') || left === 1) throw error
      }
      await this.#clock.sleep(100)
    }
    throw new Error('readers kept the log from being emptied')
  }

  async #run(mode: 'PASSIVE' | 'TRUNCATE'): Promise<void> {
    if (this.#isBusy || this.#isClosed) return
    this.#isBusy = true
    const commits = this.#commits
    this.#commits = 0
    try {
      const { log } = await this.#thread.checkpoint(mode)
      // adapts the number of commits between two checkpoints to the frames that a commit writes
      if (log > 0 && commits >= 10) this.#every = Math.min(2_000, Math.max(10, Math.round((commits * aimFrames) / log)))
    } catch (error) {
      this.#failed(error)
    }
    this.#isBusy = false
  }

  #failed(error: unknown): void {
    this.#assertSynced(error)
    this.#onFault(error)
  }

  // the next checkpoint would find nothing left to sync and call the pages durable
  #assertSynced(error: unknown): void {
    if (isFailedSync(error)) this.#onFatal(new Error('the database cannot be synced', { cause: error }))
  }
}
