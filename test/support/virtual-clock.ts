import type { Clock } from '../../src/util/ports.ts'
import { sleepOn } from './sleep-on.ts'

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly fn: () => void
}

/** A few turns of the real event loop: what was begun by timers and messages goes on. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Real time that work of threads and sockets may take where no timer is set, on a busy machine. */
const longestIdleMs = 5_000

/** A clock that stands still until it is moved. */
export class VirtualClock implements Clock {
  #now: number
  #elapsed = 0
  #order = 0
  readonly #timers = new Set<Timer>()
  /** how often `until` waits a little, in real time, before the next timer: less where no thread and no socket takes part */
  patience = 40

  constructor(nowTs = Date.UTC(2026, 0, 1)) {
    this.#now = nowTs
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#elapsed
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal)
  }

  setTimer(ms: number, fn: () => void): () => void {
    const timer = { atMs: this.#elapsed + Math.max(0, ms), order: this.#order++, fn }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size
  }

  /** Moves the wall clock alone, as an operator would. */
  jump(ms: number): void {
    this.#now += ms
  }

  /** Lets time pass, firing timers in order, each after what the one before it began has had its turns. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    for (;;) {
      await turns()
      const next = this.#next()
      if (next === undefined || next.atMs > end) break
      this.#fire(next)
    }
    this.#pass(end - this.#elapsed)
    await turns()
  }

  /** Lets time pass until `isDone`; real work between timers gets real time. Returns the ms that passed; throws after `mostMs`. */
  async until(isDone: () => boolean | Promise<boolean>, mostMs = 24 * 3_600_000): Promise<number> {
    const start = this.#elapsed
    let idleSince: number | undefined
    for (;;) {
      for (let i = 0; i < this.patience; i++) {
        if (await isDone()) return this.#elapsed - start
        await new Promise((resolve) => setTimeout(resolve, i < 30 ? 1 : 5))
      }
      const next = this.#next()
      if (next === undefined) {
        idleSince ??= performance.now()
        if (performance.now() - idleSince < longestIdleMs) continue
        throw new Error('nothing is due, and it is not done')
      }
      idleSince = undefined
      if (next.atMs - start > mostMs) throw new Error(`not done after ${mostMs} ms`)
      // what is due at about the same time needs no real time in between
      for (let due: Timer | undefined = next; due !== undefined && due.atMs <= next.atMs + 10; due = this.#next())
        this.#fire(due)
    }
  }

  #next(): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) {
      if (!first || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order)) first = timer
    }
    return first
  }

  #fire(timer: Timer): void {
    this.#timers.delete(timer)
    this.#pass(Math.max(0, timer.atMs - this.#elapsed))
    timer.fn()
  }

  #pass(ms: number): void {
    this.#elapsed += ms
    this.#now += ms
  }
}
