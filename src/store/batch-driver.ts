import type { Conn, Lock } from './database.ts'

/** The one writing connection of an engine, as the queue drives it. */
export interface BatchDriver {
  /** where the statements of writes run */
  readonly conn: Conn
  readonly writerNid: number
  /** no batch has more writes, or begins another one after so many ms */
  readonly limits: { readonly writes: number; readonly ms: number }
  /** the position that this writer committed last */
  readonly position: number
  begin(locks: readonly Lock[]): Promise<void>
  savepoint(): Promise<void>
  release(): Promise<void>
  /** back to the last savepoint, which is gone afterwards */
  rollbackToSavepoint(): Promise<void>
  /** COMMIT together with the writer's position; returns when it is committed, rejects when it is not */
  commit(position: number): Promise<void>
  /** ends the transaction whatever its state; never rejects */
  rollback(): Promise<void>
  /** false once the engine has thrown the whole transaction away */
  isOpen(): boolean
  /** true for a failure that the next try may not meet (deadlock, lost connection) */
  isTransient(error: unknown): boolean
}
