import { driverCode } from './errors.ts'
import { NativeDatabase } from './native-sqlite.ts'

/**
 * Takes the lock beside a database file, for as long as the process lives: the operating system gives it back even after
 * kill -9, so a restart never waits. Throws when another process has it. The function returned gives it back.
 */
export function lockSqliteFile(path: string): () => void {
  const lock = new NativeDatabase(`${path}.lock`)
  try {
    lock.exec('pragma busy_timeout = 0; pragma locking_mode = EXCLUSIVE; begin exclusive')
  } catch (error) {
    lock.close()
    if (!driverCode(error).startsWith('SQLITE_BUSY')) throw error
    throw new Error(`the database ${path} is in use by another process`, { cause: error })
  }
  return () => lock.close()
}
