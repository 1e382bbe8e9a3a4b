import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { bool, bytes, int, json, serial, table, text } from '../../schema/kit.ts'
import type { AnyTable } from '../../schema/kit.ts'
import { renderSchema, renderTable } from '../../schema/render.ts'
import { tables } from '../../schema/tables/index.ts'
import type { Database } from '../../src/store/database.ts'
import { listMigrations } from '../../src/store/migrate.ts'
import type { Migration } from '../../src/store/migrate.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import type { PostgresOptions } from '../../src/store/postgres.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { SqliteOptions } from '../../src/store/sqlite.ts'
import type { Engine } from '../../src/store/statement.ts'
import { systemClock } from '../../src/util/system-ports.ts'

const postgresUrl = process.env['LETHE_TEST_POSTGRES']
if (!postgresUrl)
  console.warn('PostgreSQL is not tested: LETHE_TEST_POSTGRES is not set (see test/support/postgres.mjs)')

/** The engine of tests that need only one: `LETHE_TEST_ENGINE`, or SQLite. */
export const usualEngine: Engine = process.env['LETHE_TEST_ENGINE'] === 'postgres' ? 'postgres' : 'sqlite'

/** The engines that can be tested here; where `LETHE_TEST_ENGINE` names PostgreSQL, it alone. */
export const engines: readonly Engine[] =
  usualEngine === 'postgres' ? ['postgres'] : postgresUrl ? ['sqlite', 'postgres'] : ['sqlite']

const entry = {
  holds: 'tests',
  purpose: 'tests',
  subject: [],
  retention: 'the test',
  erasure: 'delete',
  export: null,
} as const

/** A table with every kind of column. */
export const items = table(
  'test_items',
  {
    item_nid: serial(),
    name: text(),
    note: text().null(),
    amount: int().default(0),
    flag: bool().default(false),
    data: json<{ a: number }>().null(),
    blob: bytes().null(),
  },
  { indexes: [{ name: 'test_items_by_name', on: ['name'], unique: true }] },
  entry,
)

/** A table with a composite key, and what is counted in it. */
export const counts = table(
  'test_counts',
  { count_nid: int(), value: int().default(0) },
  { primary: ['count_nid'] },
  entry,
)
/** Changes with their place in a stream. */
export const changes = table(
  'test_changes',
  { writer_nid: int(), position: int(), what: text() },
  { primary: ['writer_nid', 'position'] },
  entry,
)

const testTables: readonly AnyTable[] = [items, counts, changes]

/** The migrations of the program, and one that makes the tables above. */
export function testMigrations(engine: Engine): Migration[] {
  const steps = testTables.map((each) => renderTable(engine, each))
  // the first from the definitions, which schema.test.ts holds against its file
  const first = { version: 1, name: 'first', steps: [renderSchema(engine, tables)] }
  return [first, ...listMigrations(engine).slice(1), { version: 9000, name: 'tests', steps }]
}

/** An empty place for a database; each `open` is another process's view of it. */
export interface Place {
  readonly engine: Engine
  readonly path: string
  open(options?: Partial<SqliteOptions & PostgresOptions>): Promise<Database>
  [Symbol.asyncDispose](): Promise<void>
}

const faults = (error: unknown) => {
  throw error
}

/** Makes a place of its own for one test. */
export async function makePlace(engine: Engine): Promise<Place> {
  const opened = new Set<Database>()
  const base = { clock: systemClock, onFatal: faults, onFault: faults, migrations: testMigrations(engine) }
  const closeAll = () => Promise.all([...opened].map((database) => database.close()))
  const keep = (database: Database) => {
    opened.add(database)
    const close = database.close.bind(database)
    database.close = () => (opened.delete(database) ? close() : Promise.resolve())
    return database
  }
  if (engine === 'sqlite') {
    const folder = mkdtempSync(join(tmpdir(), 'lethe-test-'))
    const path = join(folder, 'lethe.db')
    return {
      engine,
      path,
      open: async (options = {}) => keep(await openSqlite({ ...base, path, ...options })),
      async [Symbol.asyncDispose]() {
        await closeAll()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  }
  const name = `lethe_${randomBytes(6).toString('hex')}`
  await administer(`create database ${name} template template0`)
  const url = new URL(postgresUrl ?? '')
  url.pathname = name
  return {
    engine,
    path: url.href,
    open: async (options = {}) => keep(await openPostgres({ ...base, pool: 4, url: url.href, ...options })),
    async [Symbol.asyncDispose]() {
      await closeAll()
      await administer(`drop database ${name} with (force)`)
    },
  }
}

async function administer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgresUrl })
  await client.connect()
  await client.query(sql)
  await client.end()
}
