import type { ColumnDataType } from 'drizzle-orm'
import * as pg from 'drizzle-orm/pg-core'
import * as lite from 'drizzle-orm/sqlite-core'
import type { DataMapEntry } from './data-map.ts'

/** The kinds of column that both engines know. */
export type Kind = 'text' | 'int' | 'serial' | 'bool' | 'json' | 'bytes'

/** Serialised JSON of a T: a string to the database and to callers, never parsed on the way. */
export type Json<T> = string & { readonly __json?: T }

/** The constant default of a column. */
export type Constant = string | number | boolean

/** A column as declared: what both engines' tables and the data map are made of. D: its data in JS. */
export interface Column<D = unknown, Null extends boolean = boolean, Default extends boolean = boolean> {
  readonly kind: Kind
  readonly nullable: Null
  readonly constant: Constant | undefined
  readonly subject: string | undefined
  /** only types: the data, and whether an insert may leave the column out */
  readonly types?: { readonly data: D; readonly hasDefault: Default }
}

/** A column while it is being declared. Columns are NOT NULL unless `.null()`. */
export interface Declared<D, Null extends boolean, Default extends boolean> extends Column<D, Null, Default> {
  /** allows NULL */
  null(): Declared<D, true, Default>
  /** a constant default */
  default(value: Constant): Declared<D, Null, true>
  /** says whose data the row is: `user`, `room`, `server` … */
  of(subject: string): Declared<D, Null, Default>
}

/** An index of a table; `on` names columns (with ` desc` where wanted), `where` is SQL that both engines know. */
export interface Index<C extends string = string> {
  readonly name: string
  readonly on: readonly (C | `${C} desc`)[]
  readonly unique?: boolean
  readonly where?: string
}

type Columns = Record<string, Column>

type DrizzleColumn<N extends string, K extends string, C> =
  C extends Column<infer D, infer Null, infer Default>
    ? lite.SQLiteColumn<{
        name: K
        tableName: N
        dataType: ColumnDataType
        columnType: string
        data: D
        driverParam: unknown
        notNull: Null extends true ? false : true
        hasDefault: Default
        isPrimaryKey: false
        isAutoincrement: false
        hasRuntimeDefault: false
        enumValues: undefined
        baseColumn: never
        identity: undefined
        generated: undefined
      }>
    : never

/** Drizzle's static type of a table: SQLite's, on both engines. */
export type DrizzleTable<N extends string, C extends Columns> = lite.SQLiteTableWithColumns<{
  name: N
  schema: undefined
  columns: { [K in keyof C & string]: DrizzleColumn<N, K, C[K]> }
  dialect: 'sqlite'
}>

/** One table: its declaration, its data map entry, and drizzle's table for each engine. */
export interface Table<N extends string = string, C extends Columns = Columns> {
  readonly name: N
  readonly columns: C
  readonly primary: readonly string[]
  readonly indexes: readonly Index[]
  readonly map: DataMapEntry
  readonly sqlite: DrizzleTable<N, C>
  /** PostgreSQL's table, cast to SQLite's type: the only place where that is done */
  readonly postgres: DrizzleTable<N, C>
}

/** What the machinery needs of a table, whatever its columns. */
export type AnyTable = Omit<Table, 'sqlite' | 'postgres'> & { readonly sqlite: object; readonly postgres: object }

/** Every table declared so far, in the order of declaration. */
export const allTables: AnyTable[] = []

function column<D, Default extends boolean = false>(
  kind: Kind,
  rest: Partial<Column> = {},
): Declared<D, false, Default> {
  const again = (more: Partial<Column>) => column(kind, { ...rest, ...more })
  const made = {
    kind,
    nullable: false,
    constant: undefined,
    subject: undefined,
    ...rest,
    null: () => again({ nullable: true }),
    default: (constant: Constant) => again({ constant }),
    of: (subject: string) => again({ subject }),
  }
  return made as unknown as Declared<D, false, Default>
}

/** Text in code-point order (collation "C" on PostgreSQL). */
export const text = <T extends string = string>() => column<T>('text')
/** A whole number up to 2^53 - 1 (64 bits in the database, a JS number everywhere else). */
export const int = <T extends number = number>() => column<T>('int')
/** A row id that the database gives and never gives twice; it is the primary key. */
export const serial = () => column<number, true>('serial')
/** true or false on both engines. */
export const bool = () => column<boolean>('bool')
/** Serialised JSON, kept as text. */
export const json = <T = unknown>() => column<Json<T>>('json')
/** Bytes, as a Buffer. */
export const bytes = () => column<Buffer>('bytes')

/** The columns of a primary key. */
export const primaryKey = <C extends string>(...on: C[]): C[] => on
/** A plain index. */
export const index = <C extends string>(name: string, on: C[], where?: string): Index<C> =>
  where === undefined ? { name, on, unique: false } : { name, on, unique: false, where }
/** A unique index. */
export const unique = <C extends string>(name: string, on: C[], where?: string): Index<C> =>
  where === undefined ? { name, on, unique: true } : { name, on, unique: true, where }

const bytea = pg.customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' })

function sqliteColumn({ kind, nullable, constant }: Column): lite.SQLiteColumnBuilderBase {
  if (kind === 'serial') return lite.integer().primaryKey({ autoIncrement: true })
  const made =
    kind === 'int'
      ? lite.integer()
      : kind === 'bool'
        ? lite.integer({ mode: 'boolean' })
        : kind === 'bytes'
          ? lite.blob({ mode: 'buffer' })
          : lite.text()
  return finish(made as unknown as Finishable, nullable, constant) as unknown as lite.SQLiteColumnBuilderBase
}

function postgresColumn({ kind, nullable, constant }: Column): pg.PgColumnBuilderBase {
  if (kind === 'serial') return pg.bigint({ mode: 'number' }).primaryKey().generatedByDefaultAsIdentity()
  const made =
    kind === 'int'
      ? pg.bigint({ mode: 'number' })
      : kind === 'bool'
        ? pg.boolean()
        : kind === 'bytes'
          ? bytea()
          : pg.text()
  return finish(made as unknown as Finishable, nullable, constant) as unknown as pg.PgColumnBuilderBase
}

interface Finishable {
  notNull(): Finishable
  default(value: Constant): Finishable
}

function finish(made: Finishable, nullable: boolean, constant: Constant | undefined): Finishable {
  const sized = nullable ? made : made.notNull()
  return constant === undefined ? sized : sized.default(constant)
}

/**
 * Declares a table: columns, keys, and its entry in the data map (no table exists without one).
 * A serial column is the primary key; other tables name theirs in `primary`. Throws on a contradiction.
 */
export function table<N extends string, C extends Columns>(
  name: N,
  columns: C,
  keys: { primary?: readonly (keyof C & string)[]; indexes?: readonly Index<keyof C & string>[] },
  map: DataMapEntry<keyof C & string>,
): Table<N, C> {
  const entries = Object.entries<Column>(columns)
  const serials = entries.filter(([, { kind }]) => kind === 'serial').map(([key]) => key)
  const primary = keys.primary ?? serials
  const isOne = serials.length === 0 ? primary.length > 0 : serials.length === 1 && primary.join() === serials.join()
  if (!isOne) throw new Error(`table ${name} needs exactly one primary key`)
  const build = <B>(make: (column: Column) => B): Record<string, B> =>
    Object.fromEntries(entries.map(([key, spec]) => [key, make(spec)]))
  const made = {
    name,
    columns,
    primary,
    indexes: keys.indexes ?? [],
    map,
    sqlite: lite.sqliteTable(name, build(sqliteColumn)),
    postgres: pg.pgTable(name, build(postgresColumn)),
  } as unknown as Table<N, C>
  allTables.push(made)
  return made
}
