import type { Clock } from '../../../src/util/ports.ts'
import { sleepOn } from '../sleep-on.ts'
import { quiet } from './quiet.ts'

interface Due {
  readonly atMs: number
  readonly order: number
  readonly fn: () => void
  readonly owner: object | undefined
}

const startTs = Date.UTC(2026, 0, 1)

/** The time of a world: it stands still until the next thing that is due, and each is finished before the next begins. */
export class WorldTime {
  #nowMs = 0
  #order = 0
  /** ascending: the first is the next */
  #due: Due[] = []
  /** things that real time is needed for, such as reading files at a start */
  #busy = 0
  fired = 0

  /** ms since the world began */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Calls `fn` after some time; the function returned cancels it. */
  after(ms: number, fn: () => void, owner?: object): () => void {
    const due: Due = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, fn, owner }
    let low = 0
    let high = this.#due.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#due[middle] as Due).atMs <= due.atMs) low = middle + 1
      else high = middle
    }
    this.#due.splice(low, 0, due)
    return () => {
      const at = this.#due.indexOf(due)
      if (at >= 0) this.#due.splice(at, 1)
    }
  }

  /** Nothing else happens until the work is done. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    this.#busy++
    try {
      return await work()
    } finally {
      this.#busy--
    }
  }

  /** Drops everything that was to be called for some owners, and returns it. */
  forget(...owners: object[]): (() => void)[] {
    const lost = this.#due.filter(({ owner }) => owner !== undefined && owners.includes(owner))
    this.#due = this.#due.filter((due) => !lost.includes(due))
    return lost.map(({ fn }) => fn)
  }

  /** Lets time pass until `isDone`, which is asked whenever it is quiet, or until `ms` have passed. Returns whether it is done. */
  async run(ms: number, isDone: () => boolean | Promise<boolean> = () => false): Promise<boolean> {
    const endMs = this.#nowMs + ms
    for (;;) {
      await quiet(() => this.#busy > 0)
      if (await isDone()) return true
      const next = this.#due[0]
      if (next === undefined || next.atMs > endMs) break
      this.#due.shift()
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      this.fired++
      next.fn()
    }
    this.#nowMs = endMs
    return false
  }

  /** Waits for work that needs virtual time, at most `mostMs` of it. */
  async until<T>(work: Promise<T>, mostMs = 600_000): Promise<T> {
    let isDone = false
    const done = work.finally(() => (isDone = true))
    done.catch(() => {})
    if (!(await this.run(mostMs, () => isDone))) throw new Error(`not done after ${mostMs} ms`)
    return done
  }
}

/** Waits for work that needs virtual time and, for files, some real time, too. */
export async function ended(time: WorldTime, work: Promise<void>): Promise<void> {
  let isDone = false
  const done = work.finally(() => (isDone = true))
  done.catch(() => {})
  for (let left = 2_000; !isDone; left--) {
    if (await time.run(left > 1_900 ? 0 : 1_000, () => isDone)) break
    await new Promise((resolve) => setTimeout(resolve, left > 1_900 ? 0 : 5))
    if (left === 0) throw new Error('it does not end')
  }
  return done
}

/** The clock of one server: its wall clock is wrong by `skewMs`, and its timers end with it. */
export class OwnClock implements Clock {
  readonly #time: WorldTime
  readonly #skewMs: number
  readonly #bootMs: number

  constructor(time: WorldTime, skewMs: number) {
    this.#time = time
    this.#skewMs = skewMs
    this.#bootMs = time.nowMs
  }

  now(): number {
    return startTs + this.#skewMs + Math.floor(this.#time.nowMs)
  }

  monotonic(): number {
    return this.#time.nowMs - this.#bootMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal)
  }

  setTimer(ms: number, fn: () => void): () => void {
    return this.#time.after(ms, fn, this)
  }
}
