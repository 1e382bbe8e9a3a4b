import { Placeholder, sql } from 'drizzle-orm'
import type { SQL, SQLWrapper } from 'drizzle-orm'
import { alias } from 'drizzle-orm/sqlite-core'
import type { Table } from '../../schema/kit.ts'
import { builders, capture } from './capture.ts'
import type { Builders, Preparable } from './capture.ts'
import type { Conn, Tx } from './database.ts'
import { rowDecoder } from './row-decoder.ts'
import { declareStatement } from './statement.ts'
import type { Compiled, Decode, Engine, Slot } from './statement.ts'

/** Arguments after the connection: none for a statement without parameters. */
type Args<P> = keyof P extends never ? [] : [params: P]

/** A parameter inside a builder; it fits wherever a value does. */
type Placeholders<P> = { readonly [K in keyof P]-?: Placeholder<K & string> & SQL<P[K]> }

/** What a `build` function gets. */
export interface Build<P> {
  readonly engine: Engine
  /** drizzle's builders: `db.select()…`, `db.insert(…)…`, `db.update(…)…`, `db.delete(…)…` */
  readonly db: Builders
  /** the engine's table, typed as SQLite's */
  t<T extends { sqlite: unknown }>(table: T): T['sqlite']
  /** the parameters by name */
  readonly p: Placeholders<P>
  /** a second name for a table, for joins with itself */
  readonly alias: typeof alias
  /** `column` is one of a list, bound as one JSON value: `anyOf(t(events).event_nid, p.nids)` */
  anyOf(column: SQLWrapper, list: SQLWrapper): SQL<boolean>
  /** `column` matches a LIKE pattern, case-sensitive for ASCII on both engines; make it with `escapeLike` */
  like(column: SQLWrapper, pattern: SQLWrapper): SQL<boolean>
  /** the value that an upsert tried to insert */
  excluded<D>(column: SQLWrapper & { readonly name: string; readonly _: { readonly data: D } }): SQL<D>
}

type Result<B> = B extends PromiseLike<infer R> ? R : never
type Row<B> = Result<B> extends readonly (infer R)[] ? R : never
type Needs<B> = B extends { _: { runResult: unknown; table: unknown } } ? Tx : Conn

/** A declared statement: rows (or, of a change without `returning`, the number of rows changed). */
export interface Query<P, R, First, C> {
  (conn: C, ...args: Args<P>): Promise<R>
  /** the first row, when there is one */
  first(conn: C, ...args: Args<P>): Promise<First | undefined>
}

/**
 * Declares a statement: `const findX = query<{ nid: number }>('findX')(({ db, t, p }) => …)`, called as
 * `await findX(conn, { nid })`. Built once per engine, prepared once per connection.
 */
export function query<P extends object = object>(name: string) {
  return <B extends Preparable>(build: (context: Build<P>) => B): Query<P, Result<B>, Row<B>, Needs<B>> =>
    callable(name, (engine) => capture(build(contextOf<P>(engine))))
}

/** An insert of one row whose `returning` is still open, and the column that is its row id. */
interface InsertOfOne<C> {
  readonly insert: Preparable & { returning(fields: { readonly nid: C }): Preparable }
  readonly nid: C
}

/**
 * Declares an insert of exactly one row: gives its row id. SQLite knows that without a `returning`, which costs as much
 * again as the insert itself.
 */
export function insertOne<P extends object>(name: string) {
  return <C>(build: (context: Build<P>) => InsertOfOne<C>): ((tx: Tx, params: P) => Promise<number>) => {
    const statement = declareStatement(name, (engine) => {
      const { insert, nid } = build(contextOf<P>(engine))
      return capture(engine === 'sqlite' ? insert : insert.returning({ nid }))
    })
    return (tx, params) => tx.insert(statement, params)
  }
}

function contextOf<P>(engine: Engine): Build<P> {
  return {
    engine,
    db: builders[engine],
    t: <T extends { sqlite: unknown }>(table: T) => (table as unknown as Table)[engine] as T['sqlite'],
    p: new Proxy({}, { get: (_, name) => new Placeholder(String(name)) }) as Placeholders<P>,
    alias,
    anyOf: (column, list) => sql`${column} in (select value from json_each(${list}))`,
    like: (column, pattern) => sql`${column} like ${pattern} escape '\\'`,
    excluded: ({ name }) => sql`excluded.${sql.identifier(name)}`,
    ...(engine === 'postgres' ? { anyOf: anyOfPostgres } : {}),
  }
}

function anyOfPostgres(column: SQLWrapper, list: SQLWrapper): SQL<boolean> {
  const isNumber = /BigInt|Integer|Serial/.test((column as { columnType?: string }).columnType ?? '')
  const type = sql.raw(isNumber ? 'bigint' : 'text')
  return sql`${column} = any(array(select v::${type} from jsonb_array_elements_text(${list}::jsonb) v))`
}

const isRows = ({ decode, decoder }: Compiled) => decode !== undefined || decoder !== undefined

function callable<P, R, First, C extends Conn>(
  name: string,
  compile: (engine: Engine) => Compiled,
): Query<P, R, First, C> {
  const statement = declareStatement(name, compile)
  const call = (conn: C, values: object = {}): Promise<unknown> =>
    isRows(statement.compile(conn.engine)) ? conn.all(statement, values) : conn.run(statement, values)
  const first = async (conn: C, values: object = {}): Promise<unknown> => (await conn.all(statement, values))[0]
  return Object.assign(call, { first }) as unknown as Query<P, R, First, C>
}

/** SQL of one engine or of both; `:name` is a parameter, `list` makes a subselect of a list parameter. */
export type RawSql =
  | string
  | ((context: { engine: Engine; list(name: string, kind: 'int' | 'text'): string }) => string)
  | { readonly sqlite: string; readonly postgres: string }

/** How raw rows are made into objects. */
export interface RawOptions {
  /** which columns are booleans (SQLite knows only 0 and 1) */
  readonly bools?: readonly string[]
  /** makes a row of the driver's list of values by itself, where columns hold several things */
  readonly decode?: Decode
}

const parameter = /'(?:[^']|'')*'|"(?:[^"]|"")*"|(?<![:\w]):([a-z_]\w*)/gi

function compileRaw(engine: Engine, raw: RawSql): { sql: string; slots: Slot[] } {
  const list = (name: string, kind: 'int' | 'text') =>
    engine === 'sqlite'
      ? `(select value from json_each(:${name}))`
      : `(select v::${kind === 'int' ? 'bigint' : 'text'} from jsonb_array_elements_text(:${name}::jsonb) v)`
  const text = typeof raw === 'string' ? raw : typeof raw === 'function' ? raw({ engine, list }) : raw[engine]
  const names: string[] = []
  const made = text.replace(parameter, (whole, name: string | undefined) => {
    if (name === undefined) return whole
    // better-sqlite3 takes `?1` for a name: there, each use is a parameter of its own
    if (engine === 'sqlite' || !names.includes(name)) names.push(name)
    return engine === 'sqlite' ? '?' : `$${names.indexOf(name) + 1}`
  })
  return { sql: made, slots: names.map((name) => ({ name })) }
}

/** Makes rows keyed by column name of what raw SQL gives. */
export function rawRows({ bools = [], decode }: RawOptions): NonNullable<Compiled['decoder']> {
  return (columns) =>
    decode ??
    rowDecoder(
      columns,
      columns.map((column) => (bools.includes(column) ? 'bool' : 'plain')),
    )
}

/** Escape hatch for recursive or engine-specific reads: rows of raw SQL, keyed by column name. */
export function sqlQuery<P extends object, R>(
  name: string,
  raw: RawSql,
  options: RawOptions = {},
): Query<P, R[], R, Conn> {
  return callable(name, (engine) => {
    const { sql: text, slots } = compileRaw(engine, raw)
    return { sql: text, slots, decode: undefined, decoder: rawRows(options) }
  })
}

/** As `sqlQuery`, for statements that change rows and return some. */
export function sqlReturning<P extends object, R>(
  name: string,
  raw: RawSql,
  options: RawOptions = {},
): Query<P, R[], R, Tx> {
  return sqlQuery<P, R>(name, raw, options) as unknown as Query<P, R[], R, Tx>
}

/** As `sqlQuery`, for statements that change rows: gives their number. */
export function sqlRun<P extends object>(name: string, raw: RawSql): Query<P, number, never, Tx> {
  return callable(name, (engine) => ({ ...compileRaw(engine, raw), decode: undefined }))
}

/** Makes text harmless inside a LIKE pattern. */
export function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}
