import { Column, Param, Placeholder, SQL, Subquery, getTableName, is } from 'drizzle-orm'
import { PgDatabase, PgDialect, PgPreparedQuery, PgSession } from 'drizzle-orm/pg-core'
import { BaseSQLiteDatabase, SQLiteAsyncDialect, SQLitePreparedQuery, SQLiteSession } from 'drizzle-orm/sqlite-core'
import { rowDecoder } from './row-decoder.ts'
import type { Cell } from './row-decoder.ts'
import type { Compiled, Engine, Slot } from './statement.ts'
import { decodeText } from './text-codec.ts'

/** Drizzle's builders, typed as SQLite's; what changes rows gives their number. */
export type Builders = BaseSQLiteDatabase<'async', number>

/** Anything a builder makes. */
export interface Preparable {
  prepare(name?: string): unknown
}

interface Field {
  readonly path: readonly string[]
  readonly field: unknown
}

interface Captured {
  readonly query: { readonly sql: string; readonly params: readonly unknown[] }
  readonly fields: readonly Field[] | undefined
  readonly joinsNotNullableMap?: Readonly<Record<string, boolean>>
}

const unused = (): never => {
  throw new Error('builders only build')
}

class SqliteCapture extends SQLitePreparedQuery<never> {
  readonly fields: readonly Field[] | undefined
  constructor(query: Captured['query'], fields: readonly Field[] | undefined) {
    super('async', 'all', query as never)
    this.fields = fields
  }
  run = unused
  all = unused
  get = unused
  values = unused
}

class SqliteSession extends SQLiteSession<'async', number, Record<string, never>, Record<string, never>> {
  override prepareQuery = ((query: Captured['query'], fields: readonly Field[] | undefined) =>
    new SqliteCapture(query, fields)) as never
  override transaction = unused
}

class PostgresCapture extends PgPreparedQuery<never> {
  readonly fields: readonly Field[] | undefined
  constructor(query: Captured['query'], fields: readonly Field[] | undefined) {
    super(query as never, undefined, undefined)
    this.fields = fields
  }
  setToken(): this {
    return this
  }
  execute = unused
}

class PostgresSession extends PgSession {
  override prepareQuery = ((query: Captured['query'], fields: readonly Field[] | undefined) =>
    new PostgresCapture(query, fields)) as never
  override transaction = unused
}

const sqliteDialect = new SQLiteAsyncDialect()
const postgresDialect = new PgDialect()

/** The builders of each engine; they build and never run. */
export const builders: Readonly<Record<Engine, Builders>> = {
  sqlite: new BaseSQLiteDatabase('async', sqliteDialect, new SqliteSession(sqliteDialect), undefined),
  postgres: new PgDatabase(postgresDialect, new PostgresSession(postgresDialect), undefined) as unknown as Builders,
}

/** What a builder made, as SQL, parameters and a decoder of rows. */
export function capture(built: Preparable): Compiled {
  const { query, fields, joinsNotNullableMap } = built.prepare('captured') as unknown as Captured
  return { sql: query.sql, slots: query.params.map(slotOf), decode: fields && decoderOf(fields, joinsNotNullableMap) }
}

function slotOf(param: unknown): Slot {
  if (is(param, Placeholder)) return { name: param.name }
  if (is(param, Param)) {
    const { encoder, value } = param
    const encode = (given: unknown) => encoder.mapToDriverValue(given)
    return is(value, Placeholder) ? { name: value.name, encode } : { value, encode }
  }
  return { value: param }
}

type Decode = (value: unknown) => unknown

function cellOf(field: unknown): Cell {
  if (is(field, Column)) {
    if (/Boolean/.test(field.columnType)) return 'bool'
    if (/Text|Integer|BigInt53|Bytea|CustomColumn|BlobBuffer/.test(field.columnType)) return 'plain'
  }
  const source = decoderSource(field)
  return (value) => source.mapFromDriverValue(value)
}

function decodeCell(cell: Cell, value: unknown): unknown {
  const made = typeof value === 'string' ? decodeText(value) : value
  if (made === null || cell === 'plain') return made
  return cell === 'bool' ? Boolean(made) : cell(made)
}

function decoderSource(field: unknown): { mapFromDriverValue: Decode } {
  if (is(field, Column)) return field
  const made = is(field, SQL) ? field : is(field, Subquery) ? field._.sql : (field as SQL.Aliased).sql
  return (made as unknown as { decoder: { mapFromDriverValue: Decode } }).decoder
}

function decoderOf(
  fields: readonly Field[],
  notNull?: Captured['joinsNotNullableMap'],
): NonNullable<Compiled['decode']> {
  const cells = fields.map(({ field }) => cellOf(field))
  if (fields.every(({ path }) => path.length === 1))
    return rowDecoder(
      fields.map(({ path }) => path[0] ?? ''),
      cells,
    )
  // of a joined table that had no row, all columns are null
  const optional = new Set<string>()
  for (const { path, field } of fields) {
    const [group] = path
    if (group !== undefined && path.length === 2 && is(field, Column) && notNull?.[getTableName(field.table)] === false)
      optional.add(group)
  }
  return (row) => {
    const made: Record<string, unknown> = {}
    const empty = new Set(optional)
    fields.forEach(({ path }, i) => {
      const value = decodeCell(cells[i] as Cell, row[i])
      let node = made
      for (const part of path.slice(0, -1)) node = (node[part] ??= {}) as Record<string, unknown>
      node[path.at(-1) ?? ''] = value
      if (value !== null) empty.delete(path[0] ?? '')
    })
    for (const group of empty) made[group] = null
    return made
  }
}
