import { MatrixError } from '../protocol/errors.ts'

/**
 * Runs at most so many tasks at a time, the others wait in line; when the line is full a task is refused with
 * `M_LIMIT_EXCEEDED` instead of waiting for minutes.
 */
export class WorkQueue {
  readonly #atOnce: number
  readonly #mostWaiting: number
  readonly #line: (() => void)[] = []
  #running = 0

  constructor(atOnce: number, mostWaiting: number) {
    this.#atOnce = atOnce
    this.#mostWaiting = mostWaiting
  }

  /** Runs the task when it is its turn. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#atOnce) {
      if (this.#line.length >= this.#mostWaiting)
        throw new MatrixError('M_LIMIT_EXCEEDED', 'Too many log-ins at once', { retry_after_ms: 5000 })
      // whoever ends hands the place over, so that nobody who comes later can take it
      await new Promise<void>((resolve) => this.#line.push(resolve))
    } else this.#running++
    try {
      return await task()
    } finally {
      const next = this.#line.shift()
      if (next) next()
      else this.#running--
    }
  }
}
