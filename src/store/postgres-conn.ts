import pg from 'pg'
import type { Conn } from './database.ts'
import { StatementError, UniqueViolation, driverCode, unavailable } from './errors.ts'
import { bind } from './statement.ts'
import type { Decode, Statement, Values } from './statement.ts'

// int8 and numeric come as strings: every number we keep is a safe integer
const numbers = new Set<number>([pg.types.builtins.INT8, pg.types.builtins.NUMERIC])
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: string) =>
    numbers.has(oid) && format !== 'binary' ? Number : (pg.types.getTypeParser(oid, format as 'text') as unknown),
} as pg.CustomTypesConfig

// lost or refused connections, a server that starts or stops, and its resources
const cannotNow = /^(08|53|57P|58|25006|E[A-Z]+$)/

/** True when the connection, not the statement, failed. */
export function isLostConnection(error: unknown): boolean {
  const code = driverCode(error)
  return (
    /^(08|57P|E[A-Z]+$)/.test(code) ||
    (error instanceof Error && /Connection terminated|not queryable|timeout expired/i.test(error.message))
  )
}

/** True for what the same transaction, tried again, may not meet: a deadlock, a serialisation failure, a lost connection. */
export function isTransientPostgres(error: unknown): boolean {
  return error instanceof Error && (/^(40|55P03)/.test(driverCode(error)) || isLostConnection(error.cause ?? error))
}

/** The error that callers get for a failure of PostgreSQL; nothing of the row that its message may quote. */
export function postgresError(statement: string, cause: unknown): Error {
  const code = driverCode(cause)
  const bare = new Error(`PostgreSQL ${code || 'connection lost'}`)
  Object.assign(bare, { code: code || '08006' })
  if (code === '23505') return new UniqueViolation(statement, { cause: bare })
  if (code.startsWith('40') || code === '55P03') return new StatementError(statement, code, { cause: bare })
  if (cannotNow.test(code) || isLostConnection(cause)) return unavailable(bare)
  if (cause instanceof TypeError) return cause
  return new StatementError(statement, code, { cause: bare })
}

/** Settings of a connection. */
export interface PostgresTarget {
  readonly url: string
  readonly isReadOnly: boolean
  readonly isRelaxed: boolean
}

/** What pg is told to make a connection. */
export function clientConfig({ url, isReadOnly, isRelaxed }: PostgresTarget): pg.ClientConfig {
  const settings = [
    '-c idle_in_transaction_session_timeout=60000',
    '-c client_min_messages=warning',
    isReadOnly ? '-c default_transaction_read_only=on' : `-c synchronous_commit=${isRelaxed ? 'off' : 'on'}`,
  ]
  return {
    connectionString: url,
    types,
    application_name: 'lethe',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    options: settings.join(' '),
  }
}

function decodeOf(statement: Statement, fields: readonly pg.FieldDef[]): Decode | undefined {
  const { decode, decoder } = statement.compile('postgres')
  return decode ?? decoder?.(fields.map(({ name }) => name))
}

/** One PostgreSQL connection; statements are prepared by name when first used. */
export class PostgresConn implements Conn {
  readonly engine = 'postgres'
  readonly client: pg.ClientBase
  /** by statement: making one costs more than a small statement */
  readonly #decodes: (Decode | undefined)[] = []

  constructor(client: pg.ClientBase) {
    this.client = client
  }

  async all(statement: Statement, values: Values): Promise<unknown[]> {
    const { rows, fields } = await this.#query(statement, values)
    const make = (this.#decodes[statement.id] ??= decodeOf(statement, fields))
    return make ? rows.map(make) : rows
  }

  async run(statement: Statement, values: Values): Promise<number> {
    return (await this.#query(statement, values)).rowCount ?? 0
  }

  async insert(statement: Statement, values: Values): Promise<number> {
    const { rows } = await this.#query(statement, values)
    return rows[0]?.[0] as number
  }

  /** Runs SQL without parameters, several statements at once if need be. */
  async exec(sql: string): Promise<void> {
    try {
      await this.client.query(sql)
    } catch (error) {
      throw postgresError(sql.split(' ', 2).join(' '), error)
    }
  }

  async #query(statement: Statement, given: Values): Promise<pg.QueryArrayResult<unknown[]>> {
    const compiled = statement.compile('postgres')
    const name = `${statement.id}_${statement.name}`.slice(0, 63)
    const values = bind('postgres', compiled, given)
    try {
      return await this.client.query<unknown[]>({ name, text: compiled.sql, values, rowMode: 'array' })
    } catch (error) {
      throw postgresError(statement.name, error)
    }
  }
}
