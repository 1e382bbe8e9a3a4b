import Sqlite from 'better-sqlite3'
import { driverCode } from './errors.ts'

/**
 * Takes the lock beside a database file, for as long as the process lives: the operating system gives it back even after
 * kill -9, so a restart never waits. Throws when another process has it. The function returned gives it back.
 */
export function lockSqliteFile(path: string): () => void {
  const lock = new Sqlite(`${path}.lock`)
  try {
    lock.pragma('busy_timeout = 0')
    lock.pragma('locking_mode = EXCLUSIVE')
    lock.exec('begin exclusive')
  } catch (error) {
    lock.close()
    if (!driverCode(error).startsWith('SQLITE_BUSY')) throw error
    throw new Error(`the database ${path} is in use by another process`, { cause: error })
  }
  return () => lock.close()
}
