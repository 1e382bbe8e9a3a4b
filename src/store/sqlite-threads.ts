import { closeSync, fdatasyncSync, fstatSync, openSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

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

/** A failure in a thread, with SQLite's code. */
export class ThreadFailure extends Error {
  override name = 'ThreadFailure'
  readonly code: string
  constructor(message: string, code: string) {
    super(message)
    this.code = code
  }
}

interface Answer {
  readonly failure?: string
  readonly code?: string
}

/** A thread that answers each message with one message, in order. */
class Thread<A extends Answer> {
  readonly #worker: Worker
  readonly #waiting: { resolve: (answer: A) => void; reject: (error: Error) => void }[] = []

  constructor(file: string, path: string) {
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: { path } })
    this.#worker.unref()
    this.#worker.on('message', (answer: A) => {
      const next = this.#waiting.shift()
      if (answer.failure === undefined) next?.resolve(answer)
      else next?.reject(new ThreadFailure(answer.failure, answer.code ?? ''))
    })
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new Error('the thread ended')))
  }

  ask(message: object): Promise<A> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#worker.ref()
      this.#worker.postMessage(message)
    }).finally(() => {
      if (this.#waiting.length === 0) this.#worker.unref()
    }) as Promise<A>
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

/**
 * The thread that syncs the log at `path` (the `-wal` file). It begins with the second sync: the first one is part of opening
 * the database, when nobody is served yet, and a server to which nothing is written needs no other.
 */
export function openLogSync(path: string): LogSync {
  let isFirst = true
  let made: Thread<Synced & Answer> | undefined
  return {
    async sync() {
      if (!isFirst) return (made ??= new Thread('./wal-sync.mjs', path)).ask({})
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
  let made: Thread<Answer & { busy: number; log: number; checkpointed: number }> | undefined
  const thread = () => (made ??= new Thread('./checkpoint.mjs', path))
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
