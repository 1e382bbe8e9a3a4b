/** Something that readers may be waiting for: rooms with something new, users with something new. */
export interface Change {
  readonly roomNids?: readonly number[]
  readonly userNids?: readonly number[]
  /** another process wrote; what, is not known */
  readonly everything?: boolean
}

/** Tells the readers of this process what became readable. Announced from `tx.afterCommit`, so never before the sync. */
export class Changes {
  readonly #listeners = new Set<(change: Change) => void>()

  announce(change: Change): void {
    for (const listener of this.#listeners) listener(change)
  }

  /** Calls `listener` for every change; the function returned ends it. It must not throw. */
  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
