import type { Engine, Statement, Values } from './statement.ts'

/** Something to run statements on. */
export interface Conn {
  readonly engine: Engine
  /** rows of a declared statement */
  all(statement: Statement, values: Values): Promise<unknown[]>
  /** number of rows that a declared statement changed */
  run(statement: Statement, values: Values): Promise<number>
  /** row id of the one row that a declared insert made */
  insert(statement: Statement, values: Values): Promise<number>
}

/** A Conn inside `write`: a function that writes says so in its signature. */
export interface Tx extends Conn {
  /** what makes a Conn a Tx */
  readonly writes: true
  /** which writer this process is */
  readonly writerNid: number
  /** the next stream position of this writer; positions grow, and commit in order */
  nextPosition(): number
  /** Runs right after COMMIT, in order, before the sync: for what is kept in memory. Must not throw or wait. */
  onCommit(fn: () => void): void
  /** Runs after COMMIT and sync: for whatever others see. */
  afterCommit(fn: () => void): void
}

/** A row that a write reads, then changes: locked on PostgreSQL, needless on SQLite, whose writer is alone. */
export interface Lock {
  readonly table: string
  readonly column: string
  readonly nid: number
}

/** What a write says of itself. */
export interface WriteOptions {
  readonly locks?: readonly Lock[] | (() => readonly Lock[])
}

/** How far each writer has come: writer to position. */
export type StreamVector = ReadonlyMap<number, number>

/** Told after each sync (and of other processes' commits) that a writer reached a position. */
export type CommitListener = (writerNid: number, position: number) => void

/** The database, whichever engine. Everything fails with a 503 `MatrixError` while it cannot work. */
export interface Database {
  readonly engine: Engine
  /** this process's writer; it changes only when its lease was lost */
  readonly writerNid: number
  /** Statements each on their own. What they see is committed, perhaps not yet durable: see `durable`. */
  read<T>(fn: (conn: Conn) => Promise<T>): Promise<T>
  /** Statements that all see one state of the database. */
  snapshot<T>(fn: (conn: Conn) => Promise<T>): Promise<T>
  /**
   * One transaction, resolved when it is committed and synced. `fn` holds only store calls and pure functions: it may run
   * several times, and nothing else is written meanwhile. Never call `write` inside it. A failed statement fails the write.
   * A function that names the locks is asked when the transaction begins.
   */
  write<T>(fn: (tx: Tx) => Promise<T>, options?: WriteOptions): Promise<T>
  /** Resolves when everything that this process committed so far is on disk: an answer waits for it. */
  durable(): Promise<void>
  /** The positions up to which `conn` may read the streams: committed, durable, and complete. Ask before reading rows. */
  streamVector(conn: Conn): Promise<StreamVector>
  /**
   * Whether these are the positions of all that is committed now, on disk or not: whoever read up to them misses nothing.
   * Said without a statement; false where another process may have written.
   */
  isAt(vector: StreamVector): boolean
  /** Calls after every sync that moved a position; the function returned ends it. */
  onCommitted(listener: CommitListener): () => void
  /** Rewrites the files so that deleted rows are gone from free pages, indexes, statistics and the log. Takes long. */
  rewrite(tables?: readonly string[]): Promise<void>
  /** Finishes what was begun, then closes. */
  close(): Promise<void>
}
