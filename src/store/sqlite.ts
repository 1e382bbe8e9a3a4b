import { dirname } from 'node:path'
import { makeFolderDurably, syncFolder } from '../util/durable-file.ts'
import type { CommitListener, Conn, Database, StreamVector, Tx, WriteOptions } from './database.ts'
import { Durability } from './durability.ts'
import { GroupCommit } from './group-commit.ts'
import { migrate } from './migrate.ts'
import { openSqliteConn } from './sqlite-conn.ts'
import type { SqliteConn } from './sqlite-conn.ts'
import { SqliteDriver } from './sqlite-driver.ts'
import { lockSqliteFile } from './sqlite-lease.ts'
import { Checkpoints } from './sqlite-checkpoints.ts'
import { openCheckpointer, openLogSync } from './sqlite-threads.ts'
import type { Checkpointer, LogSync } from './sqlite-threads.ts'
import { sqliteMigrator } from './sqlite-migrator.ts'
import { migrationOptions } from './store-options.ts'
import type { StoreOptions } from './store-options.ts'
import { listPositions } from './writer-rows.ts'

/** Options of SQLite. */
export interface SqliteOptions extends StoreOptions {
  /** path of the file, made when missing */
  readonly path: string
  /** stands in for the thread that syncs the log, in tests */
  readonly logSync?: LogSync
  /** stands in for the thread that checkpoints, in tests */
  readonly checkpointer?: Checkpointer
}

/** Opens an SQLite database. Throws when another process uses it, or its schema is newer than this program. */
export async function openSqlite(options: SqliteOptions): Promise<Database> {
  const { path, clock } = options
  await makeFolderDurably(dirname(path))
  const unlock = lockSqliteFile(path)
  const opened: SqliteConn[] = []
  try {
    const writer = openSqliteConn(path, 'writer')
    opened.push(writer)
    await migrate(sqliteMigrator(writer), migrationOptions(options, 'sqlite'))
    const driver = new SqliteDriver(writer, clock, options.onFatal)
    await driver.open(options.name ?? 'lethe')
    await syncFolder(dirname(path))
    const database = new SqliteDatabase(options, driver, unlock)
    await database.start()
    return database
  } catch (error) {
    for (const { native } of opened) native.close()
    unlock()
    throw error
  }
}

const usualSnapshots = 4

class SqliteDatabase implements Database {
  readonly engine = 'sqlite'
  readonly writerNid = 1
  readonly #path: string
  readonly #driver: SqliteDriver
  readonly #unlock: () => void
  readonly #reader: SqliteConn
  readonly #snapshots: SqliteConn[] = []
  readonly #log: LogSync
  readonly #durability: Durability
  readonly #checkpoints: Checkpoints
  readonly #commits: GroupCommit
  readonly #listeners = new Set<CommitListener>()
  #durablePosition: number
  #isClosed = false

  constructor(options: SqliteOptions, driver: SqliteDriver, unlock: () => void) {
    const { path, clock, onFatal, onFault, waitsForSync = true, failpoint } = options
    this.#path = path
    this.#driver = driver
    this.#unlock = unlock
    this.#durablePosition = driver.position
    this.#reader = openSqliteConn(path, 'reader')
    this.#log = options.logSync ?? openLogSync(`${path}-wal`)
    this.#checkpoints = new Checkpoints(options.checkpointer ?? openCheckpointer(path), clock, { onFault, onFatal })
    this.#durability = new Durability({
      log: this.#log,
      waits: waitsForSync,
      onSynced: ({ bytes }) => this.#checkpoints.synced(bytes),
      onFatal,
    })
    this.#commits = new GroupCommit({
      driver,
      clock,
      durable: () => this.#committed(),
      settled: () => this.#durability.durable(),
      onCommitted: (writerNid, position) => this.#announce(writerNid, position),
      onFault,
      failpoint,
    })
  }

  /** What a killed process had committed and not synced can be read: it is synced before anything is served. */
  async start(): Promise<void> {
    await this.#committed()
  }

  read<T>(fn: (conn: Conn) => Promise<T>): Promise<T> {
    return fn(this.#reader)
  }

  async snapshot<T>(fn: (conn: Conn) => Promise<T>): Promise<T> {
    const conn = this.#snapshots.pop() ?? openSqliteConn(this.#path, 'reader')
    try {
      conn.control('begin')
      const result = await fn(conn)
      conn.control('commit')
      return result
    } finally {
      if (conn.native.inTransaction) conn.native.exec('rollback')
      this.#giveBack(conn)
    }
  }

  write<T>(fn: (tx: Tx) => Promise<T>, options: WriteOptions = {}): Promise<T> {
    return this.#commits.write(fn, options.locks)
  }

  durable(): Promise<void> {
    return this.#durability.durable()
  }

  async streamVector(conn: Conn): Promise<StreamVector> {
    // first what is durable, then what `conn` can see: the smaller of the two is both
    const durable = this.#durablePosition
    const rows = await listPositions(conn)
    return new Map(
      rows.map(({ writer_nid, position }) => [writer_nid, writer_nid === 1 ? Math.min(position, durable) : position]),
    )
  }

  isAt(vector: StreamVector): boolean {
    return vector.size === 1 && vector.get(this.writerNid) === this.#driver.position
  }

  onCommitted(listener: CommitListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async rewrite(): Promise<void> {
    await this.#checkpoints.rewrite()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#commits.close()
    await this.#checkpoints.close()
    await this.#log.close()
    for (const { native } of [...this.#snapshots.splice(0), this.#reader, this.#driver.conn]) native.close()
    this.#unlock()
  }

  // As many connections stay as there ever were snapshots at one time: what was opened is never given back whole (see
  // NativeDatabase). Those beyond the usual number keep no pages.
  #giveBack(conn: SqliteConn): void {
    if (this.#isClosed) return conn.native.close()
    if (this.#snapshots.length >= usualSnapshots) conn.native.exec('pragma shrink_memory')
    this.#snapshots.push(conn)
  }

  async #committed(): Promise<void> {
    const { position } = this.#driver
    await this.#durability.durable(this.#durability.committed())
    this.#durablePosition = Math.max(this.#durablePosition, position)
  }

  #announce(writerNid: number, position: number): void {
    for (const listener of this.#listeners) listener(writerNid, position)
  }
}
