import pg from 'pg'
import type { Clock } from '../util/ports.ts'
import { clientConfig, postgresError } from './postgres-conn.ts'

const mostCheckpoints = 30

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

/**
 * A checkpoint deletes old segments or renames them for reuse, with all that is in them: so first it is made to let go of
 * every segment there was, then the log is switched, which fills a segment up with zeros, past all that were renamed.
 */
async function clearLog(client: pg.Client, clock: Clock): Promise<void> {
  const before = await currentSegment(client)
  for (let left = mostCheckpoints; ; left--) {
    await switchSegment(client)
    await client.query('checkpoint')
    const segments = await listSegments(client)
    if (segments.every((name) => name > before)) break
    if (left === 0) throw new Error('old segments of the log remain: is a replication slot or an archive holding them?')
    await clock.sleep(100)
  }
  const reused = (await listSegments(client)).at(-1) ?? before
  while ((await currentSegment(client)) <= reused) await switchSegment(client)
  await client.query('checkpoint')
}

async function currentSegment(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>('select pg_walfile_name(pg_current_wal_insert_lsn()) as name')
  return rows[0]?.name ?? ''
}

async function listSegments(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    'select name from pg_ls_waldir() where name ~ $1 order by name',
    ['^[0-9A-F]{24}$'],
  )
  return rows.map(({ name }) => name)
}

/** Without a record since the last switch there would be none. */
async function switchSegment(client: pg.Client): Promise<void> {
  await client.query('select pg_logical_emit_message(false, $1, $2)', ['lethe', 'x'])
  await client.query('select pg_switch_wal()')
}
