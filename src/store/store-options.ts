import type { Failpoint } from '../util/failpoint.ts'
import type { Clock } from '../util/ports.ts'
import { listMigrations } from './migrate.ts'
import type { Migration } from './migrate.ts'
import type { Engine } from './statement.ts'

/** How to open a database of either engine. */
export interface StoreOptions {
  readonly clock: Clock
  /** names this process in the table of writers */
  readonly name?: string
  /** false for `durability: relaxed` */
  readonly waitsForSync?: boolean
  /** brings the schema up to date before use; true unless given (then it must be up to date) */
  readonly migrates?: boolean
  /** stands in for the migrations of this program, in tests */
  readonly migrations?: readonly Migration[]
  /** nothing can be promised any more: the process must end */
  readonly onFatal: (error: Error) => void
  /** something failed that no caller waits for */
  readonly onFault: (error: unknown) => void
  readonly failpoint?: Failpoint | undefined
}

/** What the runner of migrations is told. */
export function migrationOptions({ clock, migrates = true, migrations, failpoint }: StoreOptions, engine: Engine) {
  const at = (place: string) => failpoint?.(`migration:${place}`)
  return { clock, applies: migrates, migrations: migrations ?? listMigrations(engine), failpoint: at }
}
