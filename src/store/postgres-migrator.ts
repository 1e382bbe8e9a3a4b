import pg from 'pg'
import { renderTable } from '../../schema/render.ts'
import { schema_migrations } from '../../schema/tables/streams.ts'
import type { Migrator } from './migrate.ts'
import { clientConfig, postgresError } from './postgres-conn.ts'

/** Migrations on a connection of their own, one process at a time. */
export function postgresMigrator(url: string): Migrator {
  const config = clientConfig({ url, isReadOnly: false, isRelaxed: false })
  const client = new pg.Client(config)
  const locker = new pg.Client(config)
  const transaction = async <T>(fn: () => Promise<T>): Promise<T> => {
    await client.query('begin')
    try {
      const result = await fn()
      await client.query('commit')
      return result
    } catch (error) {
      await client.query('rollback').catch(() => {})
      throw error
    }
  }
  return {
    engine: 'postgres',
    async locked(fn) {
      try {
        for (const each of [client, locker]) {
          each.on('error', () => {})
          await each.connect()
        }
      } catch (error) {
        throw postgresError('connect', error)
      }
      try {
        await prepare(locker)
        return await fn()
      } finally {
        await Promise.all([client.end(), locker.end()])
      }
    },
    async applied() {
      const { rows } = await client.query<{ version: number; step: number }>(
        'select version, step from schema_migrations',
      )
      return rows
    },
    async apply(statements, { version, step, name, applied_ts }, failpoint) {
      await transaction(async () => {
        for (const [i, statement] of statements.entries()) {
          failpoint(`statement ${i}`)
          await client.query(statement)
        }
        failpoint('record')
        await client.query('insert into schema_migrations (version, step, name, applied_ts) values ($1, $2, $3, $4)', [
          version,
          step,
          name,
          applied_ts,
        ])
        failpoint('commit')
      })
    },
  }
}

// row 0 of the table is the lock: it goes with the connection, however the process ends
async function prepare(locker: pg.Client): Promise<void> {
  const create = renderTable('postgres', schema_migrations).replace('create table', 'create table if not exists')
  // two processes that create it at once collide in the catalogue; the second try finds it
  await locker.query(create).catch(() => locker.query(create))
  await locker.query("insert into schema_migrations values (0, 0, 'lock', 0) on conflict do nothing")
  await locker.query('set idle_in_transaction_session_timeout = 0')
  await locker.query('begin')
  await locker.query('select 1 from schema_migrations where version = 0 for update')
}
