import type { Clock } from '../../util/ports.ts'

/** What a lane is told by its work: when to come again; undefined where only `soon` makes it due. */
export type DueTs = number | undefined

/**
 * Kinds of work that go on beside one another: each at most once at a time, when it is due, and none waits for another.
 * What becomes due while it is being worked on is done once more.
 */
export class Lanes {
  readonly #clock: Clock
  readonly #onOver: () => void
  readonly #due = new Map<string, number>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #again = new Set<string>()

  /** `onOver` is called whenever a piece of work has ended. */
  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock
    this.#onOver = onOver
  }

  /** Makes a lane due now. */
  soon(lane: string): void {
    if (this.#running.has(lane)) this.#again.add(lane)
    else this.#due.delete(lane)
  }

  /** Makes every lane due now. */
  allSoon(): void {
    for (const lane of this.#running.keys()) this.#again.add(lane)
    this.#due.clear()
  }

  isRunning(lane: string): boolean {
    return this.#running.has(lane)
  }

  /** Begins the work of a lane, where it is due and not under way. `fn` must not reject. */
  begin(lane: string, fn: () => Promise<DueTs>): void {
    if (this.#running.has(lane) || (this.#due.get(lane) ?? -Infinity) > this.#clock.now()) return
    this.#due.delete(lane)
    const run = fn()
      .then((dueTs) => void this.#due.set(lane, dueTs ?? Infinity))
      .finally(() => {
        this.#running.delete(lane)
        if (this.#again.delete(lane)) this.#due.delete(lane)
        this.#onOver()
      })
    this.#running.set(lane, run)
  }

  /** When the next lane is due; what is under way says so at its end. */
  nextTs(): number {
    return Math.min(Infinity, ...this.#due.values())
  }

  /** Forgets lanes that are not named here and not under way. */
  keep(lanes: ReadonlySet<string>): void {
    for (const lane of this.#due.keys()) if (!lanes.has(lane)) this.#due.delete(lane)
  }

  get isIdle(): boolean {
    return this.#running.size === 0
  }

  /** Resolves when all that is under way now has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#running.values())
  }
}
