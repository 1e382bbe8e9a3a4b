import { Worker } from 'node:worker_threads'

/** A failure in a thread, with the code that it gave. */
export class ThreadFailure extends Error {
  override name = 'ThreadFailure'
  readonly code: string
  constructor(message: string, code: string) {
    super(message)
    this.code = code
  }
}

/** What a thread says where it could not do what it was asked. */
export interface ThreadAnswer {
  readonly failure?: string
  readonly code?: string
}

/** A thread that answers each message with one message, in order. It keeps the process alive only while it is asked. */
export class AnsweringThread<Q extends object, A extends ThreadAnswer> {
  readonly #worker: Worker
  readonly #waiting: { resolve: (answer: A) => void; reject: (error: Error) => void }[] = []
  #isOnline = false

  /** Starts the thread of `file`, a module that reads `workerData`. */
  constructor(file: URL, workerData: unknown) {
    this.#worker = new Worker(file, { workerData })
    this.#worker.unref()
    this.#worker.on('online', () => (this.#isOnline = true))
    this.#worker.on('message', (answer: A) => {
      const next = this.#waiting.shift()
      if (this.#waiting.length === 0) this.#worker.unref()
      if (answer.failure === undefined) next?.resolve(answer)
      else next?.reject(new ThreadFailure(answer.failure, answer.code ?? ''))
    })
    this.#worker.on('error', (error) => this.#fail(error))
    this.#worker.on('exit', () => this.#fail(new Error('the thread ended')))
  }

  /** Whether it runs already; what is asked before waits until then. */
  get isOnline(): boolean {
    return this.#isOnline
  }

  /** Its answer. Throws `ThreadFailure` where it has none, and what ended the thread. */
  ask(message: Q): Promise<A> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ resolve, reject }) === 1) this.#worker.ref()
      this.#worker.postMessage(message)
    })
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #fail(error: Error): void {
    this.#isOnline = false
    this.#worker.unref()
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
