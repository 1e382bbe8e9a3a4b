import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Failpoint } from '../util/failpoint.ts'
import type { Clock } from '../util/ports.ts'
import type { Engine } from './statement.ts'

/** One change of the schema: a file `NNNN_name.sql`, in steps divided by lines `-- step`, each one transaction. */
export interface Migration {
  readonly version: number
  readonly name: string
  readonly steps: readonly string[]
}

/** What the runner needs of an engine. */
export interface Migrator {
  readonly engine: Engine
  /** Makes the table of migrations when it is missing, then runs `fn` while no other process migrates. */
  locked<T>(fn: () => Promise<T>): Promise<T>
  /** The steps applied so far. */
  applied(): Promise<readonly { readonly version: number; readonly step: number }[]>
  /** Runs the statements and records the step, in one transaction; `failpoint` is called before each. */
  apply(statements: readonly string[], record: MigrationRecord, failpoint: Failpoint): Promise<void>
}

/** A row of `schema_migrations`. */
export interface MigrationRecord {
  readonly version: number
  readonly step: number
  readonly name: string
  readonly applied_ts: number
}

const read = new Map<Engine, readonly Migration[]>()

/** The migrations of an engine, in order; their files are read once. */
export function listMigrations(engine: Engine): readonly Migration[] {
  const known = read.get(engine)
  if (known !== undefined) return known
  // from dist, and from src/store
  const folder = ['../schema/migrations/', '../../schema/migrations/']
    .map((path) => fileURLToPath(new URL(`${path}${engine}/`, import.meta.url)))
    .find((path) => existsSync(path))
  if (folder === undefined) throw new Error('the migrations are missing')
  const files = readdirSync(folder).filter((file) => /^\d{4}_[\w-]+\.sql$/.test(file))
  const migrations = files.toSorted().map((file) => ({
    version: Number(file.slice(0, 4)),
    name: file.slice(5, -4),
    steps: readFileSync(`${folder}${file}`, 'utf8').split(/^-- step\b.*$/m),
  }))
  read.set(engine, migrations)
  return migrations
}

/** Divides SQL at each `;` that ends a line; triggers and functions are not used. */
export function splitStatements(sql: string): string[] {
  const bare = sql.replace(/^\s*--.*$/gm, '')
  return bare
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}

/**
 * Brings the schema to the newest version. Throws when it is newer than this program knows, or when `applies` is false
 * and something is missing. Killed at any moment, it goes on where it was.
 */
export async function migrate(
  migrator: Migrator,
  options: { clock: Clock; applies?: boolean; migrations?: readonly Migration[]; failpoint?: Failpoint },
): Promise<void> {
  const { clock, applies = true, migrations = listMigrations(migrator.engine), failpoint = () => {} } = options
  await migrator.locked(async () => {
    const applied = await migrator.applied()
    const newest = Math.max(0, ...migrations.map(({ version }) => version))
    const found = Math.max(0, ...applied.map(({ version }) => version))
    if (found > newest)
      throw new Error(`the database has schema ${found}, this program knows only ${newest}: update it`)
    const done = new Set(applied.map(({ version, step }) => `${version}.${step}`))
    for (const { version, name, steps } of migrations) {
      for (const [step, sql] of steps.entries()) {
        if (done.has(`${version}.${step}`)) continue
        if (!applies) throw new Error(`the database needs migration ${version}: run \`lethe migrate\``)
        const record = { version, step, name, applied_ts: clock.now() }
        await migrator.apply(splitStatements(sql), record, (place) => failpoint(`${version}.${step} ${place}`))
      }
    }
  })
}
