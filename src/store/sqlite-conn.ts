import type { Conn } from './database.ts'
import { StatementError, UniqueViolation, driverCode, unavailable } from './errors.ts'
import { NativeDatabase } from './native-sqlite.ts'
import type { NativeStatement } from './native-sqlite.ts'
import { bind } from './statement.ts'
import type { Decode, Statement, Values } from './statement.ts'

interface Prepared {
  readonly native: NativeStatement<unknown[], unknown[]>
  readonly decode: Decode | undefined
}

const cannotNow = /^SQLITE_(FULL|READONLY|IOERR|BUSY|LOCKED|CANTOPEN|NOMEM)/

/** The error that callers get for a failure of SQLite. */
export function sqliteError(statement: string, cause: unknown): Error {
  const code = driverCode(cause)
  if (
    code === 'SQLITE_CONSTRAINT_UNIQUE' ||
    code === 'SQLITE_CONSTRAINT_PRIMARYKEY' ||
    code === 'SQLITE_CONSTRAINT_ROWID'
  ) {
    return new UniqueViolation(statement, { cause })
  }
  if (cannotNow.test(code)) return unavailable(cause)
  if (!code.startsWith('SQLITE_') && cause instanceof Error) return cause
  return new StatementError(statement, code, { cause })
}

/** One SQLite connection, with what it has prepared. */
export class SqliteConn implements Conn {
  readonly engine = 'sqlite'
  readonly native: NativeDatabase
  readonly #prepared: (Prepared | undefined)[] = []
  readonly #controls = new Map<string, NativeStatement>()

  constructor(native: NativeDatabase) {
    this.native = native
  }

  all(statement: Statement, values: Values): Promise<unknown[]> {
    try {
      return Promise.resolve(this.allSync(statement, values))
    } catch (error) {
      return Promise.reject(sqliteError(statement.name, error))
    }
  }

  run(statement: Statement, values: Values): Promise<number> {
    try {
      return Promise.resolve(this.runSync(statement, values))
    } catch (error) {
      return Promise.reject(sqliteError(statement.name, error))
    }
  }

  insert(statement: Statement, values: Values): Promise<number> {
    try {
      const { native } = this.#prepared[statement.id] ?? this.#prepare(statement)
      const { lastInsertRowid } = native.run(...bind('sqlite', statement.compile('sqlite'), values))
      return Promise.resolve(Number(lastInsertRowid))
    } catch (error) {
      return Promise.reject(sqliteError(statement.name, error))
    }
  }

  /** As `all`, at once, with SQLite's own errors. */
  allSync(statement: Statement, values: Values): unknown[] {
    const { native, decode } = this.#prepared[statement.id] ?? this.#prepare(statement)
    const rows: unknown[] = native.all(...bind('sqlite', statement.compile('sqlite'), values))
    if (decode) for (let i = 0; i < rows.length; i++) rows[i] = decode(rows[i] as unknown[])
    return rows
  }

  /** A statement without values and rows, prepared once: `begin`, `commit`. SQLite's own errors. */
  control(sql: string): void {
    let made = this.#controls.get(sql)
    if (made === undefined) this.#controls.set(sql, (made = this.native.prepare(sql)))
    made.run()
  }

  /** As `run`, at once, with SQLite's own errors. */
  runSync(statement: Statement, values: Values): number {
    const { native } = this.#prepared[statement.id] ?? this.#prepare(statement)
    return native.run(...bind('sqlite', statement.compile('sqlite'), values)).changes
  }

  #prepare(statement: Statement): Prepared {
    const { sql, decode, decoder } = statement.compile('sqlite')
    const native = this.native.prepare<unknown[], unknown[]>(withSteadyLimits(sql))
    if (native.reader) native.raw(true)
    const made = { native, decode: decode ?? decoder?.(native.columns().map(({ name }) => name)) }
    this.#prepared[statement.id] = made
    return made
  }
}

/**
 * SQLite plans a statement anew each time another value is bound to a parameter that is a LIMIT by itself, which costs
 * several times as much as a small statement; in a sum it does not look at the value.
 */
function withSteadyLimits(sql: string): string {
  return sql.replaceAll(/\blimit \?(?!\d)/gi, 'limit (? + 0)')
}

const settings = `
  pragma synchronous = NORMAL;
  pragma wal_autocheckpoint = 0;
  pragma case_sensitive_like = ON;
  pragma foreign_keys = ON;
  pragma temp_store = MEMORY;`
const settingsOf = {
  writer: `pragma journal_mode = WAL; ${settings}
    pragma busy_timeout = 0;
    pragma secure_delete = FAST;
    pragma journal_size_limit = ${16 * 2 ** 20}`,
  reader: `${settings}
    pragma busy_timeout = 1000;
    pragma query_only = ON`,
}

/** Opens a connection with the settings that every one must have. Readers cannot write. Throws SQLite's errors. */
export function openSqliteConn(path: string, role: 'writer' | 'reader'): SqliteConn {
  const native = new NativeDatabase(path, { fileMustExist: role === 'reader' })
  try {
    native.exec(settingsOf[role])
  } catch (error) {
    native.close()
    throw error
  }
  return new SqliteConn(native)
}
