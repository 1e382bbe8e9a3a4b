// Moves the log of an SQLite database into the database, and rewrites it, on a connection and a thread of its own.
import Database from 'better-sqlite3'
import { parentPort, workerData } from 'node:worker_threads'

/** @type {{ path: string }} */
const { path } = workerData
/** @type {Database.Database | undefined} */
let opened

function connection() {
  if (opened) return opened
  opened = new Database(path, { fileMustExist: true })
  opened.pragma('synchronous = NORMAL')
  opened.pragma('wal_autocheckpoint = 0')
  opened.pragma('busy_timeout = 250')
  return opened
}

/** @param {'PASSIVE' | 'RESTART' | 'TRUNCATE'} mode */
function checkpoint(mode) {
  const [row] = /** @type {{ busy: number, log: number, checkpointed: number }[]} */ (
    connection().pragma(`wal_checkpoint(${mode})`)
  )
  return row
}

parentPort?.on('message', (/** @type {{ task: string }} */ { task }) => {
  try {
    if (task === 'close') {
      opened?.close()
      opened = undefined
      parentPort?.postMessage({ done: task })
      parentPort?.close()
    } else if (task === 'VACUUM') {
      connection().exec('VACUUM')
      parentPort?.postMessage({ done: task })
    } else {
      parentPort?.postMessage({ done: task, ...checkpoint(/** @type {'PASSIVE'} */ (task)) })
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    parentPort?.postMessage({ done: task, failure: error instanceof Error ? error.message : String(error), code })
  }
})
