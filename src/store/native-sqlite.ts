import Sqlite from 'better-sqlite3'

/** A prepared statement of the driver, without what makes further native objects (`iterate`). */
export type NativeStatement<P extends unknown[] = unknown[], R = unknown> = Omit<
  Sqlite.Statement<P, R>,
  'iterate' | 'bind'
>

// Of the process, not of this module, which a test runner may load again.
const place = Symbol.for('lethe.native-sqlite')
const kept: object[] = ((globalThis as { [place]?: object[] })[place] ??= [])

/**
 * One connection of the driver. Its native objects, the connection itself and each statement, are kept for as long as the
 * process lives: where the driver is compiled with the headers of Node 24.19 or later, the process ends when one is
 * collected (nodejs/node#65446). Closed, they are empty shells of a few hundred bytes; still, whoever opens connections
 * uses them again, and prepares a text once. It has no `pragma`, which makes a statement at each call: `exec` does.
 */
export class NativeDatabase {
  readonly #database: Sqlite.Database

  /** Opens `path`; throws SQLite's errors. `timeout`: ms that it waits for locks. */
  constructor(path: string, options: Pick<Sqlite.Options, 'fileMustExist' | 'readonly' | 'timeout'> = {}) {
    this.#database = new Sqlite(path, options)
    kept.push(this.#database)
  }

  /** Whether a transaction is open. */
  get inTransaction(): boolean {
    return this.#database.inTransaction
  }

  /** Prepares a statement, for ever. Throws SQLite's errors. */
  prepare<P extends unknown[] = unknown[], R = unknown>(sql: string): NativeStatement<P, R> {
    const made = this.#database.prepare<P, R>(sql)
    kept.push(made)
    return made as NativeStatement<P, R>
  }

  /** Runs statements without values, whatever rows they give; nothing of them stays. Throws SQLite's errors. */
  exec(sql: string): void {
    this.#database.exec(sql)
  }

  /** Closes it, and finalises its statements. */
  close(): void {
    this.#database.close()
  }
}
