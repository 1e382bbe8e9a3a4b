import type { Column, Table } from '../../schema/kit.ts'
import type { Tx } from './database.ts'
import { rawRows } from './query.ts'
import { declareStatement } from './statement.ts'

type Columns = Record<string, Column>
type Data<C> = C extends Column<infer D, infer Null> ? (Null extends true ? D | null : D) : never
type RowOf<C extends Columns, K extends keyof C> = { readonly [P in K]: Data<C[P]> }

/** What an insert of many rows does about rows that exist, and what it gives back. */
export interface ManyOptions<K extends string, R extends string> {
  /**
   * Without it an existing key fails the write. `nothing` leaves the existing row; `update` sets the columns named (on two
   * rows of one key the last one counts).
   */
  readonly onConflict?: 'nothing' | { readonly key: readonly K[]; readonly update: readonly K[] }
  /** columns of the inserted (or updated) rows to give back, in no particular order */
  readonly returning?: readonly R[]
}

/**
 * Declares an insert of any number of rows by one statement, fed by one JSON value:
 * `const insertX = insertMany('insertX', x, ['a', 'b'])`, called as `await insertX(tx, rows)`.
 * Gives the columns of `returning`, of the rows that were inserted or updated.
 */
export function insertMany<
  N extends string,
  C extends Columns,
  K extends keyof C & string,
  R extends keyof C & string = never,
>(
  name: string,
  table: Table<N, C>,
  columns: readonly K[],
  options: ManyOptions<K, R> = {},
): (tx: Tx, rows: readonly RowOf<C, K>[]) => Promise<RowOf<C, R>[]> {
  const { onConflict, returning = [] } = options
  const bytes = columns.map((column) => table.columns[column]?.kind === 'bytes')
  const statement = declareStatement(name, (engine) => {
    const bools = returning.filter((column) => table.columns[column]?.kind === 'bool')
    const sql = engine === 'sqlite' ? sqliteInsert(table, columns, options) : postgresInsert(table, columns, options)
    return {
      sql,
      slots: [{ name: 'rows' }],
      decode: undefined,
      ...(returning.length > 0 ? { decoder: rawRows({ bools }) } : {}),
    }
  })
  const key = typeof onConflict === 'object' ? onConflict.key : undefined
  return async (tx, rows) => {
    if (rows.length === 0) return []
    const kept = key ? lastOfEach(rows, key) : rows
    const values = kept.map((row) => columns.map((column, i) => (bytes[i] ? hex(row[column]) : row[column])))
    if (returning.length > 0) return (await tx.all(statement, { rows: values })) as RowOf<C, R>[]
    await tx.run(statement, { rows: values })
    return []
  }
}

// PostgreSQL refuses an upsert that meets one key twice, SQLite takes the last row: here the last one counts
function lastOfEach<T extends Readonly<Record<K, unknown>>, K extends string>(
  rows: readonly T[],
  key: readonly K[],
): T[] {
  return [...new Map(rows.map((row) => [JSON.stringify(key.map((column) => row[column])), row])).values()]
}

function hex(value: unknown): string | null {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : null
}

interface Shape {
  readonly name: string
  readonly columns: Columns
}

function tail(options: ManyOptions<string, string>): string {
  const { onConflict, returning = [] } = options
  const back = returning.length > 0 ? ` returning ${returning.join(', ')}` : ''
  if (onConflict === undefined) return back
  if (onConflict === 'nothing') return ` on conflict do nothing${back}`
  const set = onConflict.update.map((column) => `${column} = excluded.${column}`).join(', ')
  return ` on conflict (${onConflict.key.join(', ')}) do update set ${set}${back}`
}

function sqliteInsert(table: Shape, columns: readonly string[], options: ManyOptions<string, string>): string {
  const cells = columns.map((column, i) => {
    const cell = `json_extract(value, '$[${i}]')`
    return table.columns[column]?.kind === 'bytes' ? `unhex(${cell})` : cell
  })
  // `where true` keeps the parser from taking `on conflict` for a join's condition
  const source = `select ${cells.join(', ')} from json_each(?) where true`
  return `insert into ${table.name} (${columns.join(', ')}) ${source}${tail(options)}`
}

const casts: Readonly<Record<Column['kind'], string>> = {
  text: '',
  json: '',
  int: '::bigint',
  serial: '::bigint',
  bool: '::boolean',
  bytes: '',
}

function postgresInsert(table: Shape, columns: readonly string[], options: ManyOptions<string, string>): string {
  const cells = columns.map((column, i) => {
    const kind = table.columns[column]?.kind ?? 'text'
    return kind === 'bytes' ? `decode(value->>${i}, 'hex')` : `(value->>${i})${casts[kind]}`
  })
  const source = `select ${cells.join(', ')} from jsonb_array_elements($1::jsonb) with ordinality as r(value, n) order by n`
  return `insert into ${table.name} (${columns.join(', ')}) ${source}${tail(options)}`
}
