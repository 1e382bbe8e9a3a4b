import type { Failpoint } from '../util/failpoint.ts'
import type { Clock } from '../util/ports.ts'
import type { BatchDriver } from './batch-driver.ts'
import type { Lock, Tx, WriteOptions } from './database.ts'
import { unavailable } from './errors.ts'
import { WriteTx } from './write-tx.ts'

/** What the queue calls. */
export interface GroupCommitOptions {
  readonly driver: BatchDriver
  readonly clock: Clock
  /** called right after COMMIT; resolves when that commit is durable */
  readonly durable: () => Promise<void>
  /** resolves when all that was committed before is durable */
  readonly settled: () => Promise<void>
  /** after the sync of a batch that moved the position */
  readonly onCommitted: (writerNid: number, position: number) => void
  /** an effect threw: a fault in the program, the write itself is done */
  readonly onFault: (error: unknown) => void
  readonly failpoint?: Failpoint | undefined
}

interface Write {
  readonly fn: (tx: Tx) => Promise<unknown>
  readonly locks: () => readonly Lock[]
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  tries: number
}

interface Done {
  readonly write: Write
  readonly value: unknown
  readonly error: unknown
  readonly tx: WriteTx | undefined
}

const mostTries = 5
const longestWriteMs = 60_000

/** Thrown inside to leave a batch of which nothing remains. */
class Lost extends Error {}

/** The queue must not wait for ever for a write that waits for the queue: one timer for a batch, which is short. */
class Limit {
  readonly #late: Promise<never>
  readonly end: () => void

  constructor(clock: Clock) {
    let fail = () => {}
    this.#late = new Promise<never>((_, reject) => {
      fail = () => reject(new Error('a write did not end: is one inside another?'))
    })
    this.#late.catch(() => {})
    this.end = clock.setTimer(longestWriteMs, fail)
  }

  of<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.#late])
  }
}

/**
 * Groups the writes of one tick into one transaction: each is a savepoint, all are committed and synced together, and no
 * promise is settled before that. One batch is in flight; the sync of one overlaps with the next.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions
  readonly #queue: Write[] = []
  #isRunning = false
  #isClosed = false
  #idle: (() => void)[] = []

  constructor(options: GroupCommitOptions) {
    this.#options = options
  }

  /** Queues a write: see `Database.write`. */
  write<T>(fn: (tx: Tx) => Promise<T>, given: WriteOptions['locks'] = []): Promise<T> {
    if (this.#isClosed) return Promise.reject(unavailable(new Error('the database is closed')))
    const locks = typeof given === 'function' ? given : () => given
    return new Promise<unknown>((resolve, reject) => {
      this.#queue.push({ fn, locks, resolve, reject, tries: 0 })
      if (!this.#isRunning) void this.#drain()
    }) as Promise<T>
  }

  /** Refuses new writes and resolves when those queued are settled. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#isRunning) await new Promise<void>((resolve) => this.#idle.push(resolve))
    await this.#options.settled()
  }

  async #drain(): Promise<void> {
    this.#isRunning = true
    await nextTurn()
    while (this.#queue.length > 0) {
      await this.#runBatch(this.#take())
      if (this.#queue.length > 0) await nextTurn()
    }
    this.#isRunning = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  // a write that was in a lost batch runs alone, so that it cannot lose its neighbours again
  #take(): Write[] {
    const { writes } = this.#options.driver.limits
    let count = 0
    while (count < writes && count < this.#queue.length && this.#queue[count]?.tries === 0) count++
    return this.#queue.splice(0, Math.max(1, count))
  }

  async #runBatch(batch: Write[]): Promise<void> {
    const { driver, clock, failpoint } = this.#options
    const done: Done[] = []
    const limit = new Limit(clock)
    let position = 0
    try {
      await driver.begin(batch.length === 1 ? (batch[0] as Write).locks() : batch.flatMap(({ locks }) => locks()))
      position = await this.#runWrites(batch, done, limit)
      failpoint?.('write:before-commit')
      await driver.commit(position)
    } catch (error) {
      await driver.rollback()
      return this.#lose(batch, error instanceof Lost ? error.cause : error)
    } finally {
      limit.end()
    }
    failpoint?.('write:after-commit')
    for (const { tx } of done) this.#runEffects(tx?.memory)
    void this.#settle(done, position)
  }

  async #runWrites(batch: Write[], done: Done[], limit: Limit): Promise<number> {
    const { driver, clock } = this.#options
    const isAlone = batch.length === 1
    const endMs = clock.monotonic() + driver.limits.ms
    let position = driver.position
    for (const [i, write] of batch.entries()) {
      if (i > 0 && clock.monotonic() > endMs) {
        this.#queue.unshift(...batch.splice(i))
        break
      }
      const tx = new WriteTx(driver, position)
      try {
        if (!isAlone) await driver.savepoint()
        const value = await limit.of(write.fn(tx))
        tx.finish()
        if (!isAlone) await driver.release()
        position = tx.position
        done.push({ write, value, error: undefined, tx })
      } catch (error) {
        tx.abandon()
        const cause = tx.failure ?? error
        if (!driver.isOpen() || driver.isTransient(cause)) throw new Lost('the batch is gone', { cause })
        if (isAlone) {
          await driver.rollback()
          await driver.begin([])
        } else await driver.rollbackToSavepoint()
        done.push({ write, value: undefined, error, tx: undefined })
      }
    }
    return position
  }

  async #lose(batch: Write[], error: unknown): Promise<void> {
    const { driver, clock, settled } = this.#options
    const isTransient = driver.isTransient(error)
    const again: Write[] = []
    for (const write of batch) {
      write.tries++
      if (write.tries >= mostTries || (batch.length === 1 && !isTransient)) {
        const reason = isTransient ? unavailable(error) : error
        void settled().then(() => write.reject(reason))
      } else again.push(write)
    }
    this.#queue.unshift(...again)
    if (isTransient && again.length > 0) await clock.sleep(10 * 2 ** (again[0]?.tries ?? 1))
  }

  async #settle(done: Done[], position: number): Promise<void> {
    const { driver, durable, onCommitted, onFault, failpoint } = this.#options
    const hasMoved = done.some(({ tx }) => tx?.hasMoved)
    const writerNid = hasMoved ? driver.writerNid : 0
    await durable()
    failpoint?.('write:after-sync')
    for (const { write, value, error, tx } of done) {
      if (tx) write.resolve(value)
      else write.reject(error)
    }
    for (const { tx } of done) this.#runEffects(tx?.effects)
    try {
      if (hasMoved) onCommitted(writerNid, position)
    } catch (error) {
      onFault(error)
    }
  }

  #runEffects(effects: readonly (() => void)[] = []): void {
    for (const effect of effects) {
      try {
        effect()
      } catch (error) {
        this.#options.onFault(error)
      }
    }
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
