import type { Clock } from '../util/ports.ts'
import type { BatchDriver } from './batch-driver.ts'
import { Fenced, driverCode, isFailedSync, unavailable } from './errors.ts'
import { sqlRun } from './query.ts'
import { sqliteError } from './sqlite-conn.ts'
import type { SqliteConn } from './sqlite-conn.ts'
import type { Tx } from './database.ts'
import { findWriter } from './writer-rows.ts'

const putFirstWriter = sqlRun<{ name: string }>(
  'putFirstWriter',
  `insert into writers (writer_nid, name, position, batch, fence) values (1, :name, 0, 0, 1)
   on conflict (writer_nid) do update set name = excluded.name, fence = writers.fence + 1`,
)

const advanceFirstWriter = sqlRun<{ fence: number; position: number }>(
  'advanceFirstWriter',
  'update writers set position = :position, batch = batch + 1 where writer_nid = 1 and fence = :fence',
)

// the log is not bigger than the disk, and a rewrite holds the lock long
const longestBusyMs = 10 * 60_000
const firstWaitMs = 1
const longestWaitMs = 50

/** Drives the writing connection of SQLite. */
export class SqliteDriver implements BatchDriver {
  readonly conn: SqliteConn
  readonly writerNid = 1
  // statements keep the event loop: others have their turn between two batches
  readonly limits = { writes: 256, ms: 12 }
  readonly #clock: Clock
  readonly #onFatal: (error: Error) => void
  #position = 0
  #fence = 0

  constructor(conn: SqliteConn, clock: Clock, onFatal: (error: Error) => void) {
    this.conn = conn
    this.#clock = clock
    this.#onFatal = onFatal
  }

  get position(): number {
    return this.#position
  }

  /** Takes the writer's row with a new fencing number, so that an older process can commit nothing more. */
  async open(name: string): Promise<void> {
    await this.begin()
    await putFirstWriter(this.conn as unknown as Tx, { name })
    const row = await findWriter.first(this.conn, { nid: 1 })
    if (!row) throw new Error('the row of the writer is missing')
    this.#exec('commit')
    this.#position = row.position
    this.#fence = row.fence
  }

  async begin(): Promise<void> {
    const giveUpAt = this.#clock.monotonic() + longestBusyMs
    // a blocked begin would sleep on the main thread: busy_timeout is 0, and the waiting is done here
    for (let waitMs = firstWaitMs; ; waitMs = Math.min(longestWaitMs, waitMs * 2)) {
      try {
        return this.conn.control('begin immediate')
      } catch (error) {
        if (!driverCode(error).startsWith('SQLITE_BUSY')) throw sqliteError('begin', error)
        if (this.#clock.monotonic() > giveUpAt) throw unavailable(error)
        await this.#clock.sleep(waitMs)
      }
    }
  }

  async savepoint(): Promise<void> {
    this.#exec('savepoint w')
  }

  async release(): Promise<void> {
    this.#exec('release w')
  }

  async rollbackToSavepoint(): Promise<void> {
    this.#exec('rollback to w')
    this.#exec('release w')
  }

  async commit(position: number): Promise<void> {
    if (position !== this.#position) {
      const changed = await advanceFirstWriter(this.conn as unknown as Tx, { fence: this.#fence, position })
      if (changed !== 1) {
        const fenced = new Fenced('another process writes to this database')
        this.#onFatal(fenced)
        throw fenced
      }
    }
    this.#exec('commit')
    this.#position = position
  }

  async rollback(): Promise<void> {
    if (!this.conn.native.inTransaction) return
    try {
      this.#exec('rollback')
    } catch {
      // the next begin fails, with the reason
    }
  }

  isOpen(): boolean {
    return this.conn.native.inTransaction
  }

  isTransient(): boolean {
    return false
  }

  #exec(sql: string): void {
    try {
      this.conn.control(sql)
    } catch (error) {
      // the first frame of a log that begins anew is synced in a COMMIT
      if (isFailedSync(error)) this.#onFatal(new Error('the log cannot be synced', { cause: error }))
      throw sqliteError(sql, error)
    }
  }
}
