/** What a wait asks whether, and is told when, nobody waits for its outcome any more. Every `AbortSignal` is one. */
export interface Ending {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

type Listener = () => void

/**
 * One that lasts long, told to many that come and go: it is listened to once, and whoever leaves costs the others nothing.
 * (An `AbortSignal` looks through all of its listeners for the one to remove.)
 */
export class SharedEnding implements Ending {
  readonly #of: Ending
  readonly #listeners = new Set<Listener>()

  constructor(of: Ending) {
    this.#of = of
    of.addEventListener('abort', () => tell(this.#listeners))
  }

  get aborted(): boolean {
    return this.#of.aborted
  }

  get reason(): unknown {
    return this.#of.reason
  }

  /** How many listen. */
  get listening(): number {
    return this.#listeners.size
  }

  addEventListener(_type: 'abort', listener: Listener): void {
    this.#listeners.add(listener)
  }

  removeEventListener(_type: 'abort', listener: Listener): void {
    this.#listeners.delete(listener)
  }
}

/** The first of two. It listens to them only while somebody listens to it. */
export class EitherEnding implements Ending {
  readonly #one: Ending
  readonly #other: Ending
  readonly #listeners = new Set<Listener>()
  readonly #tell = () => {
    if (this.aborted) tell(this.#listeners)
  }

  constructor(one: Ending, other: Ending) {
    this.#one = one
    this.#other = other
  }

  get aborted(): boolean {
    return this.#one.aborted || this.#other.aborted
  }

  get reason(): unknown {
    return this.#one.aborted ? this.#one.reason : this.#other.reason
  }

  addEventListener(type: 'abort', listener: Listener): void {
    if (this.#listeners.size === 0) {
      this.#one.addEventListener(type, this.#tell)
      this.#other.addEventListener(type, this.#tell)
    }
    this.#listeners.add(listener)
  }

  removeEventListener(type: 'abort', listener: Listener): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return
    this.#one.removeEventListener(type, this.#tell)
    this.#other.removeEventListener(type, this.#tell)
  }
}

function tell(listeners: ReadonlySet<Listener>): void {
  for (const listener of listeners) listener()
}
