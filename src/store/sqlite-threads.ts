import { closeSync, fdatasyncSync, fstatSync, openSync } from 'node:fs'
import { AnsweringThread } from '../util/answering-thread.ts'
import type { ThreadAnswer } from '../util/answering-thread.ts'

/** What a sync of the log tells. */
export interface Synced {
  /** size of the log */
  readonly bytes: number
}

/** Something that can sync the log: each call begins a new sync, one at a time. */
export interface LogSync {
  sync(): Promise<Synced>
  close(): Promise<void>
}

/** Work on the database file outside the event loop. */
export interface Checkpointer {
  /** Moves frames from the log into the database: `busy` when it could not finish, `log` frames in the log. */
  checkpoint(mode: 'PASSIVE' | 'RESTART' | 'TRUNCATE'): Promise<{ busy: boolean; log: number; checkpointed: number }>
  /** Writes the whole database anew; fails with SQLITE_BUSY while somebody writes. */
  vacuum(): Promise<void>
  close(): Promise<void>
}

/**
 * The thread that syncs the log at `path` (the `-wal` file). It begins with the second sync: the first one is part of opening
 * the database, when nobody is served yet, and a server to which nothing is written needs no other.
 */
export function openLogSync(path: string): LogSync {
  let isFirst = true
  let made: AnsweringThread<object, Synced & ThreadAnswer> | undefined
  return {
    async sync() {
      if (!isFirst) return (made ??= new AnsweringThread(new URL('./wal-sync.mjs', import.meta.url), { path })).ask({})
      isFirst = false
      return syncHere(path)
    },
    async close() {
      await made?.terminate()
    },
  }
}

function syncHere(path: string): Synced {
  const log = openSync(path, 'r')
  try {
    fdatasyncSync(log)
    return { bytes: fstatSync(log).size }
  } finally {
    closeSync(log)
  }
}

/** The thread that checkpoints the database at `path`; it begins with its first task. */
export function openCheckpointer(path: string): Checkpointer {
  let made: AnsweringThread<object, ThreadAnswer & { busy: number; log: number; checkpointed: number }> | undefined
  const thread = () => (made ??= new AnsweringThread(new URL('./checkpoint.mjs', import.meta.url), { path }))
  return {
    async checkpoint(mode) {
      const { busy, log, checkpointed } = await thread().ask({ task: mode })
      return { busy: busy !== 0, log, checkpointed }
    },
    async vacuum() {
      await thread().ask({ task: 'VACUUM' })
    },
    async close() {
      await made?.ask({ task: 'close' })
      await made?.terminate()
    },
  }
}
