import pg from 'pg'
import type { Clock } from '../util/ports.ts'
import { clientConfig, postgresError } from './postgres-conn.ts'

const mostSwitches = 30

/**
 * Rewrites the tables (all of ours when none is named), their statistics and the log, so that deleted rows are nowhere any
 * more: full vacuum, new statistics, full vacuum of `pg_statistic`, then the log is switched and checkpointed until no
 * segment from before is left. Needs a role that owns the tables; without the right to switch the log, that part is left
 * to the server, and the error says so.
 */
export async function rewritePostgres(url: string, clock: Clock, tables: readonly string[]): Promise<void> {
  const client = new pg.Client(clientConfig({ url, isReadOnly: false, isRelaxed: false }))
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ name: string }>(
      'select quote_ident(tablename) as name from pg_tables where schemaname = current_schema() and ($1::text[] = $2 or tablename = any($1))',
      [tables, []],
    )
    for (const { name } of rows) await client.query(`vacuum (full, analyze) ${name}`)
    await client.query('vacuum full pg_catalog.pg_statistic')
    await clearLog(client, clock)
  } catch (error) {
    throw postgresError('rewrite', error)
  } finally {
    await client.end().catch(() => {})
  }
}

// a checkpoint deletes or renames for reuse the segments before it: switching until the old numbers are gone rewrites them
async function clearLog(client: pg.Client, clock: Clock): Promise<void> {
  const { rows } = await client.query<{ segment: string }>('select pg_walfile_name(pg_current_wal_lsn()) as segment')
  const last = rows[0]?.segment ?? ''
  for (let left = mostSwitches; left > 0; left--) {
    await client.query('select pg_logical_emit_message(false, $1, $2)', ['lethe', 'x'])
    await client.query('select pg_switch_wal()')
    await client.query('checkpoint')
    const old = await client.query('select 1 from pg_ls_waldir() where name <= $1 and name ~ $2 limit 1', [
      last,
      '^[0-9A-F]{24}$',
    ])
    if (old.rowCount === 0) return
    await clock.sleep(100)
  }
  throw new Error('old segments of the log remain: is a replication slot or an archive holding them?')
}
