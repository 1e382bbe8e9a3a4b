import type { Database } from '../store/database.ts'
import { openSqlite } from '../store/sqlite.ts'
import type { SqliteOptions } from '../store/sqlite.ts'
import type { StoreOptions } from '../store/store-options.ts'
import type { Config } from '../util/config.ts'

/** What does the slow work on an SQLite file; threads unless given. */
export type FileWork = Pick<SqliteOptions, 'logSync' | 'checkpointer'>

/**
 * Opens the configured database. SQLite is migrated by itself, PostgreSQL only by `lethe migrate` or when it is empty.
 * Throws where it is in use, newer than this program, or (with `migrates: false`) older.
 */
export async function openDatabase(
  config: Pick<Config, 'database' | 'serverName'>,
  options: StoreOptions,
  fileWork: FileWork = {},
): Promise<Database> {
  const { engine, path, url, pool, durability } = config.database
  if (engine === 'sqlite') return openSqlite({ ...options, ...fileWork, path, waitsForSync: durability === 'durable' })
  if (url === null) throw new Error('database.url is missing')
  // The driver is loaded only where it is used: it costs every start time and memory.
  const { openPostgres } = await import('../store/postgres.ts')
  const migrates = options.migrates ?? (await isEmptyPostgres(url))
  return openPostgres({ ...options, url, pool, migrates, waitsForSync: durability === 'durable' })
}

/** Several processes may serve one database, so a schema in use is changed only when the operator says so. */
async function isEmptyPostgres(url: string): Promise<boolean> {
  const { postgresMigrator } = await import('../store/postgres-migrator.ts')
  const migrator = postgresMigrator(url)
  let count = 0
  await migrator.locked(async () => {
    count = (await migrator.applied()).filter(({ version }) => version > 0).length
  })
  return count === 0
}
