import { renderTable } from '../../schema/render.ts'
import { schema_migrations } from '../../schema/tables/streams.ts'
import type { Migrator } from './migrate.ts'
import type { NativeStatement } from './native-sqlite.ts'
import type { SqliteConn } from './sqlite-conn.ts'

/** Migrations on the writing connection; the lock beside the file keeps other processes away. */
export function sqliteMigrator({ native }: SqliteConn): Migrator {
  const transaction = (fn: () => void) => {
    native.exec('begin immediate')
    try {
      fn()
      native.exec('commit')
    } catch (error) {
      if (native.inTransaction) native.exec('rollback')
      throw error
    }
  }
  const insertRecord = 'insert into schema_migrations (version, step, name, applied_ts) values (?, ?, ?, ?)'
  let put: NativeStatement | undefined
  return {
    engine: 'sqlite',
    locked(fn) {
      native.exec(renderTable('sqlite', schema_migrations).replace('create table', 'create table if not exists'))
      return fn()
    },
    async applied() {
      return native.prepare<[], { version: number; step: number }>('select version, step from schema_migrations').all()
    },
    async apply(statements, record, failpoint) {
      transaction(() => {
        for (const [i, statement] of statements.entries()) {
          failpoint(`statement ${i}`)
          native.exec(statement)
        }
        failpoint('record')
        put ??= native.prepare(insertRecord)
        put.run(record.version, record.step, record.name, record.applied_ts)
        failpoint('commit')
      })
    },
  }
}
