// Moves the log of an SQLite database into the database, and rewrites it, on a connection and a thread of its own.
import Database from 'better-sqlite3'
import { parentPort, workerData } from 'node:worker_threads'

/** @typedef {'PASSIVE' | 'RESTART' | 'TRUNCATE'} Mode */

/** @type {{ path: string }} */
const { path } = workerData
// As in NativeDatabase: nothing native may be collected while the thread lives, so what is made is kept and used again.
/** @type {Database.Database | undefined} */
let opened
/** @type {Map<Mode, Database.Statement>} */
const checkpoints = new Map()

function connection() {
  if (opened) return opened
  opened = new Database(path, { fileMustExist: true })
  opened.exec('pragma synchronous = NORMAL; pragma wal_autocheckpoint = 0; pragma busy_timeout = 250')
  return opened
}

/** @param {Mode} mode */
function checkpoint(mode) {
  const statement = checkpoints.get(mode) ?? connection().prepare(`pragma wal_checkpoint(${mode})`)
  checkpoints.set(mode, statement)
  const [row] = /** @type {{ busy: number, log: number, checkpointed: number }[]} */ (statement.all())
  return row
}

parentPort?.on('message', (/** @type {{ task: string }} */ { task }) => {
  try {
    if (task === 'close') {
      opened?.close()
      parentPort?.postMessage({ done: task })
      parentPort?.close()
    } else if (task === 'VACUUM') {
      connection().exec('VACUUM')
      parentPort?.postMessage({ done: task })
    } else {
      parentPort?.postMessage({ done: task, ...checkpoint(/** @type {Mode} */ (task)) })
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    parentPort?.postMessage({ done: task, failure: error instanceof Error ? error.message : String(error), code })
  }
})
