import type { LogSync, Synced } from './sqlite-threads.ts'

/** What the tracker calls. */
export interface DurabilityOptions {
  readonly log: LogSync
  /** false: commits count as durable at once (`durability: relaxed`) */
  readonly waits: boolean
  /** after each sync */
  readonly onSynced?: (synced: Synced) => void
  /** a sync failed: what is on disk is unknown, and no later sync can be believed; the process must end */
  readonly onFatal: (error: Error) => void
}

/**
 * Counts commits and says which of them are on disk: those whose COMMIT came before the beginning of a sync that ended.
 * A sync that was already under way at the COMMIT counts for nothing; several commits share the next one.
 */
export class Durability {
  readonly #options: DurabilityOptions
  readonly #waiting: { seq: number; resolve: () => void }[] = []
  #committed = 0
  #durable = 0
  #isSyncing = false

  constructor(options: DurabilityOptions) {
    this.#options = options
  }

  /** To be called right after each COMMIT: begins a sync if none is under way; returns the commit's number. */
  committed(): number {
    const seq = ++this.#committed
    if (!this.#options.waits) this.#durable = seq
    if (!this.#isSyncing) void this.#sync()
    return seq
  }

  /** Resolves, in the order of commits, when commit `seq` (by default the last one) is on disk. */
  durable(seq = this.#committed): Promise<void> {
    if (seq <= this.#durable) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ seq, resolve }))
  }

  async #sync(): Promise<void> {
    this.#isSyncing = true
    try {
      let target = 0
      while (target < this.#committed) {
        target = this.#committed
        const synced = await this.#options.log.sync()
        this.#durable = Math.max(this.#durable, target)
        this.#release()
        this.#options.onSynced?.(synced)
      }
    } catch (error) {
      return this.#options.onFatal(new Error('the log cannot be synced', { cause: error }))
    }
    this.#isSyncing = false
  }

  #release(): void {
    let count = 0
    for (const { seq } of this.#waiting) {
      if (seq > this.#durable) break
      count++
    }
    for (const { resolve } of this.#waiting.splice(0, count)) resolve()
  }
}
