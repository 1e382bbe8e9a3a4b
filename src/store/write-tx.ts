import type { BatchDriver } from './batch-driver.ts'
import type { Conn, Tx } from './database.ts'
import type { Statement, Values } from './statement.ts'

/** One write of a batch: its statements, its positions, and what it wants done after the commit. */
export class WriteTx implements Tx {
  readonly writes = true
  readonly memory: (() => void)[] = []
  readonly effects: (() => void)[] = []
  readonly engine
  readonly #driver: BatchDriver
  readonly #first: number
  position: number
  failure: Error | undefined
  #isOver = false

  constructor(driver: BatchDriver, position: number) {
    this.#driver = driver
    this.engine = driver.conn.engine
    this.position = position
    this.#first = position
  }

  get writerNid(): number {
    return this.#driver.writerNid
  }

  get hasMoved(): boolean {
    return this.position > this.#first
  }

  nextPosition(): number {
    this.#check()
    return ++this.position
  }

  onCommit(fn: () => void): void {
    this.memory.push(fn)
  }

  afterCommit(fn: () => void): void {
    this.effects.push(fn)
  }

  all(statement: Statement, values: Values): Promise<unknown[]> {
    return this.#noted((conn) => conn.all(statement, values))
  }

  run(statement: Statement, values: Values): Promise<number> {
    return this.#noted((conn) => conn.run(statement, values))
  }

  insert(statement: Statement, values: Values): Promise<number> {
    return this.#noted((conn) => conn.insert(statement, values))
  }

  async #noted<T>(ask: (conn: Conn) => Promise<T>): Promise<T> {
    this.#check()
    try {
      return await ask(this.#driver.conn)
    } catch (error) {
      throw (this.failure ??= error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** The function returned: nothing may follow, and a failure that it swallowed still counts. */
  finish(): void {
    this.#isOver = true
    if (this.failure !== undefined) throw this.failure
  }

  abandon(): void {
    this.#isOver = true
  }

  // one engine refuses what follows a failed statement, the other would not: here neither does
  #check(): void {
    if (this.#isOver) throw new Error('this write is over')
    if (this.failure !== undefined) throw this.failure
    if (!this.#driver.isOpen()) throw new Error('this transaction is gone')
  }
}
