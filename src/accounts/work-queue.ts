import { MatrixError } from '../protocol/errors.ts'
import { Semaphore } from '../util/semaphore.ts'

/**
 * Runs at most so many tasks at a time, the others wait in line; when the line is full a task is refused with
 * `M_LIMIT_EXCEEDED` instead of waiting for minutes.
 */
export class WorkQueue {
  readonly #turns: Semaphore
  readonly #most: number
  #inside = 0

  constructor(atOnce: number, waiting: number) {
    this.#turns = new Semaphore(atOnce)
    this.#most = atOnce + waiting
  }

  /** Runs the task when it is its turn. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.#most)
      throw new MatrixError('M_LIMIT_EXCEEDED', 'Too many log-ins at once', { retry_after_ms: 5000 })
    this.#inside++
    try {
      return await this.#turns.run(task)
    } finally {
      this.#inside--
    }
  }
}
