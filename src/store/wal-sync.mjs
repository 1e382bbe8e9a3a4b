// Syncs the log of an SQLite database in a thread of its own: never on the event loop, never behind other work.
import { closeSync, fdatasyncSync, fstatSync, fsyncSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'

/** @type {{ path: string }} */
const { path } = workerData
let fd = -1
let inode = -1n

/** Opens the log again when the one that is open is not the one in the folder (syncing an orphan succeeds). */
function current() {
  const now = statSync(path, { bigint: true }).ino
  if (fd >= 0 && now === inode) return fd
  if (fd >= 0) closeSync(fd)
  fd = openSync(path, 'r')
  inode = fstatSync(fd, { bigint: true }).ino
  const folder = openSync(dirname(path), 'r')
  fsyncSync(folder)
  closeSync(folder)
  return fd
}

parentPort?.on('message', () => {
  try {
    const log = current()
    fdatasyncSync(log)
    if (statSync(path, { bigint: true }).ino !== inode) throw new Error('the log was replaced while it was synced')
    parentPort?.postMessage({ bytes: fstatSync(log).size })
  } catch (error) {
    parentPort?.postMessage({ failure: error instanceof Error ? error.message : String(error) })
  }
})
