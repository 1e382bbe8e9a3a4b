/** One at a time, first come first served. */
export class Mutex {
  #tail: Promise<void> = Promise.resolve()
  #held = 0

  /** How many hold it or wait for it. */
  get size(): number {
    return this.#held
  }

  /** Waits for its turn; the function returned gives the turn to the next (calling it again does nothing). */
  async lock(): Promise<() => void> {
    const before = this.#tail
    let release = () => {}
    this.#tail = new Promise((resolve) => {
      release = resolve
    })
    this.#held++
    await before
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#held--
      release()
    }
  }

  /** Runs `fn` alone. */
  async run<T>(fn: () => Promise<T> | T): Promise<T> {
    const unlock = await this.lock()
    try {
      return await fn()
    } finally {
      unlock()
    }
  }
}

/** A mutex for each key, kept only while somebody holds or wants it. */
export class KeyedMutex<K> {
  readonly #mutexes = new Map<K, Mutex>()

  /** Runs `fn` alone among those of the same key. */
  async run<T>(key: K, fn: () => Promise<T> | T): Promise<T> {
    const mutex = this.#mutexes.get(key) ?? new Mutex()
    this.#mutexes.set(key, mutex)
    try {
      return await mutex.run(fn)
    } finally {
      if (mutex.size === 0) this.#mutexes.delete(key)
    }
  }
}
