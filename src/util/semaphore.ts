/** There is no room, and too many wait for it. */
export class SemaphoreFull extends Error {
  constructor() {
    super('too many wait')
    this.name = 'SemaphoreFull'
  }
}

/** At most so many at once; the others wait their turn, as many as may wait. */
export class Semaphore {
  #free: number
  readonly #mostWaiting: number
  readonly #waiting: (() => void)[] = []

  constructor(most: number, mostWaiting = Infinity) {
    this.#free = most
    this.#mostWaiting = mostWaiting
  }

  /** Runs `fn` when there is room. Throws SemaphoreFull, without running it, where too many wait already. */
  async run<T>(fn: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else if (this.#waiting.length >= this.#mostWaiting) throw new SemaphoreFull()
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await fn()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
