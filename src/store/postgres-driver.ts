import pg from 'pg'
import type { Clock } from '../util/ports.ts'
import type { BatchDriver } from './batch-driver.ts'
import type { Lock, Tx } from './database.ts'
import { Fenced, unavailable } from './errors.ts'
import { PostgresConn, clientConfig, isLostConnection, isTransientPostgres, postgresError } from './postgres-conn.ts'
import type { PostgresTarget } from './postgres-conn.ts'
import { sqlReturning, sqlRun } from './query.ts'

const leaseMs = 10_000

interface Lease {
  readonly writer_nid: number
  readonly position: number
  readonly batch: number
  readonly fence: number
}

const nowMs = '(extract(epoch from clock_timestamp()) * 1000)::bigint'
const lease = 'writer_nid, position, batch, fence'

const takeFreeWriter = sqlReturning<{ name: string; leaseMs: number }, Lease>(
  'takeFreeWriter',
  `update writers set name = :name, fence = fence + 1, lease_until_ts = ${nowMs} + :leaseMs
   where writer_nid = (
     select writer_nid from writers where lease_until_ts is null or lease_until_ts < ${nowMs}
     order by writer_nid limit 1 for update skip locked
   ) returning ${lease}`,
)
const insertWriter = sqlReturning<{ name: string; leaseMs: number }, Lease>(
  'insertWriter',
  `insert into writers (name, position, batch, fence, lease_until_ts) values (:name, 0, 0, 1, ${nowMs} + :leaseMs) returning ${lease}`,
)
const advanceWriter = sqlRun<{ nid: number; fence: number; position: number; batch: number; leaseMs: number }>(
  'advanceWriter',
  `update writers set position = :position, batch = :batch, lease_until_ts = ${nowMs} + :leaseMs
   where writer_nid = :nid and fence = :fence`,
)
// waits for the transaction whose COMMIT was cut off: it holds the row until it is decided
const findBatch = sqlReturning<{ nid: number; fence: number }, { batch: number }>(
  'findBatch',
  'select batch from writers where writer_nid = :nid and fence = :fence for update',
)
const freeWriter = sqlRun<{ nid: number; fence: number }>(
  'freeWriter',
  'update writers set lease_until_ts = null where writer_nid = :nid and fence = :fence',
)

/** Drives the writing connection to PostgreSQL: one per process, made again when it is lost. */
export class PostgresDriver implements BatchDriver {
  // each batch locks the rows of all its writes; PostgreSQL keeps 64 savepoints of a transaction at hand
  readonly limits = { writes: 60, ms: 60 }
  readonly #target: PostgresTarget
  readonly #clock: Clock
  readonly #name: string
  readonly #onCommit: ((commit: () => Promise<void>) => Promise<void>) | undefined
  #conn: PostgresConn | undefined
  #backend = 0
  #lease: Lease | undefined
  #lastNid = 0
  #isOpen = false
  /** the last savepoint is done with; it is released on the way to the next one, and a COMMIT needs no release */
  #isReleased = false
  #renewedAt = -Infinity

  constructor(
    target: PostgresTarget,
    clock: Clock,
    name: string,
    onCommit?: (commit: () => Promise<void>) => Promise<void>,
  ) {
    this.#target = target
    this.#clock = clock
    this.#name = name
    this.#onCommit = onCommit
  }

  get conn(): PostgresConn {
    if (!this.#conn) throw unavailable(new Error('not connected'))
    return this.#conn
  }

  get writerNid(): number {
    return this.#lease?.writer_nid ?? this.#lastNid
  }

  get position(): number {
    return this.#held.position
  }

  /** True when the lease should be renewed by a batch, even an empty one. */
  get needsRenewal(): boolean {
    return this.#clock.monotonic() - this.#renewedAt > leaseMs / 3
  }

  /** Connects and takes a writer's row that no living process holds. */
  async open(): Promise<void> {
    await this.#connect()
    await this.#takeLease()
  }

  async begin(locks: readonly Lock[]): Promise<void> {
    if (!this.#conn) await this.open()
    await this.conn.exec('begin')
    this.#isOpen = true
    this.#isReleased = false
    for (const sql of lockStatements(locks)) await this.conn.exec(sql)
  }

  async savepoint(): Promise<void> {
    await this.conn.exec(this.#isReleased ? 'release savepoint w; savepoint w' : 'savepoint w')
    this.#isReleased = false
  }

  async release(): Promise<void> {
    this.#isReleased = true
  }

  async rollbackToSavepoint(): Promise<void> {
    await this.conn.exec('rollback to savepoint w; release savepoint w')
  }

  async commit(position: number): Promise<void> {
    const { writer_nid: nid, fence, batch } = this.#held
    // also where no position has moved: by this row alone a COMMIT that was cut off is told from one that never came
    const next = { ...this.#held, position, batch: batch + 1 }
    const changed = await advanceWriter(asTx(this.conn), { nid, fence, position, batch: next.batch, leaseMs })
    if (changed !== 1) {
      this.#lease = undefined
      this.#drop()
      throw new Fenced('the lease of this writer was lost')
    }
    await this.#finish(next.batch)
    this.#renewedAt = this.#clock.monotonic()
    this.#lease = next
  }

  async rollback(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    try {
      await this.conn.exec('rollback')
    } catch {
      this.#drop()
    }
  }

  isOpen(): boolean {
    return this.#isOpen
  }

  isTransient(error: unknown): boolean {
    return error instanceof Fenced || isTransientPostgres(error)
  }

  async close(): Promise<void> {
    if (this.#conn && this.#lease) {
      const { writer_nid: nid, fence } = this.#lease
      await freeWriter(asTx(this.#conn), { nid, fence }).catch(() => 0)
    }
    this.#drop()
  }

  get #held(): Lease {
    if (!this.#lease) throw unavailable(new Error('no lease'))
    return this.#lease
  }

  async #finish(batch: number): Promise<void> {
    try {
      const commit = () => this.conn.exec('commit')
      await (this.#onCommit ? this.#onCommit(commit) : commit())
    } catch (error) {
      if (!isLostConnection(error) && !isLostConnection(error instanceof Error ? error.cause : error)) throw error
      if (!(await this.#wasCommitted(batch))) throw error
    }
    this.#isOpen = false
  }

  // the connection broke around COMMIT: the writer's row, changed in the same transaction, tells which way it went
  async #wasCommitted(batch: number): Promise<boolean> {
    const { writer_nid: nid, fence } = this.#held
    const backend = this.#backend
    this.#drop()
    for (let tries = 0; ; tries++) {
      try {
        await this.#connect()
        await this.conn.exec(
          `select pg_terminate_backend(${backend}) where ${backend} in (select pid from pg_stat_activity where application_name = 'lethe')`,
        )
        const row = await findBatch.first(asTx(this.conn), { nid, fence })
        return row?.batch === batch
      } catch (error) {
        this.#drop()
        if (tries >= 20) throw error
        await this.#clock.sleep(Math.min(2_000, 50 * 2 ** tries))
      }
    }
  }

  async #connect(): Promise<void> {
    const client = new pg.Client(clientConfig(this.#target))
    client.on('error', () => {
      if (this.#conn?.client === client) this.#drop()
    })
    try {
      await client.connect()
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
      this.#backend = rows[0]?.pid ?? 0
    } catch (error) {
      void client.end().catch(() => {})
      throw postgresError('connect', error)
    }
    this.#conn = new PostgresConn(client)
  }

  // a lease that is still held is kept over a new connection; whether it was lost shows at the next commit
  async #takeLease(): Promise<void> {
    if (this.#lease) return
    const values = { name: this.#name, leaseMs }
    const tx = asTx(this.conn)
    this.#lease = (await takeFreeWriter.first(tx, values)) ?? (await insertWriter.first(tx, values))
    this.#lastNid = this.#held.writer_nid
    this.#renewedAt = this.#clock.monotonic()
  }

  #drop(): void {
    const conn = this.#conn
    this.#conn = undefined
    this.#isOpen = false
    if (conn) void (conn.client as pg.Client).end().catch(() => {})
  }
}

const asTx = (conn: PostgresConn): Tx => conn as unknown as Tx

// all rows that the batch names, in one order everywhere, so that two batches do not wait for each other;
// plain `for update` would block inserts that refer to the row
function lockStatements(locks: readonly Lock[]): string[] {
  const groups = new Map<string, { table: string; column: string; nids: Set<number> }>()
  for (const { table, column, nid } of locks) {
    const group = groups.get(table) ?? { table, column, nids: new Set() }
    groups.set(table, group)
    group.nids.add(nid)
  }
  return [...groups.values()]
    .toSorted((a, b) => (a.table < b.table ? -1 : 1))
    .map(({ table, column, nids }) => {
      const list = [...nids].map((nid) => String(Math.trunc(nid))).join(', ')
      return `select 1 from ${table} where ${column} in (${list}) order by ${column} for no key update`
    })
}
