import pg from 'pg'
import type { CommitListener, Conn, Database, StreamVector, Tx, WriteOptions } from './database.ts'
import { GroupCommit } from './group-commit.ts'
import { migrate } from './migrate.ts'
import { PostgresConn, clientConfig, isLostConnection, postgresError } from './postgres-conn.ts'
import type { PostgresTarget } from './postgres-conn.ts'
import { PostgresDriver } from './postgres-driver.ts'
import { postgresMigrator } from './postgres-migrator.ts'
import { Notifications } from './postgres-notify.ts'
import { rewritePostgres } from './postgres-rewrite.ts'
import { migrationOptions } from './store-options.ts'
import type { StoreOptions } from './store-options.ts'
import { listPositions } from './writer-rows.ts'

const pollMs = 1_000

/** Options of PostgreSQL. */
export interface PostgresOptions extends StoreOptions {
  readonly url: string
  /** connections that read; one more writes, one listens */
  readonly pool?: number
  /** wraps each COMMIT, in tests */
  readonly aroundCommit?: (commit: () => Promise<void>) => Promise<void>
}

/** Opens a PostgreSQL database. Throws when it cannot be reached or its schema is not this program's. */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const { url } = options
  await migrate(postgresMigrator(url), migrationOptions(options, 'postgres'))
  const database = new PostgresDatabase(options)
  await database.start()
  return database
}

class PostgresDatabase implements Database {
  readonly engine = 'postgres'
  readonly #options: PostgresOptions
  readonly #pool: pg.Pool
  readonly #conns = new WeakMap<pg.PoolClient, PostgresConn>()
  readonly #driver: PostgresDriver
  readonly #commits: GroupCommit
  readonly #notifications: Notifications
  readonly #listeners = new Set<CommitListener>()
  readonly #seen = new Map<number, number>()
  #isClosed = false
  #cancelPoll = () => {}

  constructor(options: PostgresOptions) {
    const { url, clock, onFault, waitsForSync = true, pool = 10, name = 'lethe' } = options
    const target: PostgresTarget = { url, isReadOnly: false, isRelaxed: !waitsForSync }
    this.#options = options
    this.#pool = new pg.Pool({ ...clientConfig({ ...target, isReadOnly: true }), max: pool })
    // a connection that breaks while idle is replaced by the pool
    this.#pool.on('error', () => {})
    this.#driver = new PostgresDriver(target, clock, name, options.aroundCommit)
    this.#notifications = new Notifications(target, clock, (writerNid, position) => this.#advance(writerNid, position))
    this.#commits = new GroupCommit({
      driver: this.#driver,
      clock,
      // COMMIT returns when the log is synced
      durable: () => Promise.resolve(),
      settled: () => Promise.resolve(),
      onCommitted: (writerNid, position) => {
        this.#notifications.tell(writerNid, position)
        this.#advance(writerNid, position)
      },
      onFault,
      failpoint: options.failpoint,
    })
  }

  get writerNid(): number {
    return this.#driver.writerNid
  }

  async start(): Promise<void> {
    await this.#driver.open()
    await this.#notifications.open()
    for (const [writerNid, position] of await this.read((conn) => this.streamVector(conn)))
      this.#seen.set(writerNid, position)
    this.#plan()
  }

  async read<T>(fn: (conn: Conn) => Promise<T>): Promise<T> {
    return await this.#withConn(fn)
  }

  async snapshot<T>(fn: (conn: Conn) => Promise<T>): Promise<T> {
    return await this.#withConn(async (conn) => {
      await conn.exec('begin isolation level repeatable read, read only')
      const result = await fn(conn)
      await conn.exec('commit')
      return result
    })
  }

  write<T>(fn: (tx: Tx) => Promise<T>, options: WriteOptions = {}): Promise<T> {
    return this.#commits.write(fn, options.locks)
  }

  durable(): Promise<void> {
    return Promise.resolve()
  }

  async streamVector(conn: Conn): Promise<StreamVector> {
    return new Map((await listPositions(conn)).map(({ writer_nid, position }) => [writer_nid, position]))
  }

  isAt(): boolean {
    return false
  }

  onCommitted(listener: CommitListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async rewrite(tables: readonly string[] = []): Promise<void> {
    await rewritePostgres(this.#options.url, this.#options.clock, tables)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelPoll()
    await this.#commits.close()
    await this.#notifications.close()
    await this.#driver.close()
    await this.#pool.end()
  }

  async #withConn<T>(fn: (conn: PostgresConn) => Promise<T>): Promise<T> {
    let client: pg.PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      throw postgresError('connect', error)
    }
    const conn = this.#conns.get(client) ?? new PostgresConn(client)
    this.#conns.set(client, conn)
    let isBroken = false
    try {
      return await fn(conn)
    } catch (error) {
      isBroken = isLostConnection(error instanceof Error ? (error.cause ?? error) : error) || !(await rollBack(conn))
      throw error
    } finally {
      client.release(isBroken)
    }
  }

  #advance(writerNid: number, position: number): void {
    if (position <= (this.#seen.get(writerNid) ?? 0)) return
    this.#seen.set(writerNid, position)
    for (const listener of this.#listeners) listener(writerNid, position)
  }

  #plan(): void {
    this.#cancelPoll = this.#options.clock.setTimer(pollMs, () => void this.#poll())
  }

  // enough by itself: notifications only come sooner. It also keeps the lease
  async #poll(): Promise<void> {
    try {
      if (this.#driver.needsRenewal) await this.write(() => Promise.resolve())
      for (const [writerNid, position] of await this.read((conn) => this.streamVector(conn)))
        this.#advance(writerNid, position)
    } catch (error) {
      if (!this.#isClosed) this.#options.onFault(error)
    }
    if (!this.#isClosed) this.#plan()
  }
}

async function rollBack(conn: PostgresConn): Promise<boolean> {
  try {
    await conn.exec('rollback')
    return true
  } catch {
    return false
  }
}
