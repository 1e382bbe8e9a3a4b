import type { LRUCache } from 'lru-cache'
import type { Change, Changes } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import { listJoinedRoomNids } from '../store/sync.ts'
import { nextTurn } from '../util/next-turn.ts'
import { lru } from '../util/lru.ts'

/** One request that waits. */
interface Waiter {
  readonly wake: () => void
}

/** What one user's requests wait for. Kept between requests, because a client that polls comes back at once. */
interface Watch {
  readonly userNid: number
  rooms: readonly number[]
  readonly waiters: Set<Waiter>
  /** the user's rooms may have changed since `rooms` was read */
  isStale: boolean
}

/** Waits for news since the moment in which it was made. */
export interface Wait {
  /** Resolves at the first change that concerns the user; true. False after `ms`, or when the signal is aborted. */
  until(ms: number, signal: AbortSignal, setTimer: (ms: number, fn: () => void) => () => void): Promise<boolean>
  /** Ends it where `until` was not called. */
  end(): void
}

interface NotifierDeps {
  readonly database: Database
  readonly changes: Changes
}

const mostWatches = 20_000
/** So many readers are woken in one turn of the event loop; whoever reads then has a queue of its own. */
const wokenAtOnce = 1_000

/** Wakes readers that wait for changes of their rooms or of their own data: once a turn, and a few at a time. */
export class Notifier {
  readonly #deps: NotifierDeps
  readonly #watches: LRUCache<number, Watch>
  readonly #byRoom = new Map<number, Set<Watch>>()
  readonly #due = new Set<Waiter>()
  readonly #unsubscribe: () => void
  #isWaking = false
  #isStopped = false

  constructor(deps: NotifierDeps) {
    this.#deps = deps
    this.#watches = lru(mostWatches, (watch) => this.#drop(watch))
    this.#unsubscribe = deps.changes.subscribe((change) => this.#changed(change))
  }

  /** Begins to watch what concerns a user. Call it before reading, so that nothing that comes meanwhile is missed. */
  async begin(userNid: number): Promise<Wait> {
    let watch = this.#watches.get(userNid)
    if (watch === undefined) {
      watch = { userNid, rooms: [], waiters: new Set(), isStale: true }
      this.#watches.set(userNid, watch)
    }
    return this.#wait(watch, await this.#enter(watch))
  }

  /** How many requests wait. */
  get waiting(): number {
    let count = 0
    for (const { waiters } of this.#watches.values()) count += waiters.size
    return count
  }

  stop(): void {
    this.#isStopped = true
    this.#unsubscribe()
    this.#watches.clear()
  }

  async #enter(watch: Watch): Promise<{ waiter: Waiter; woken: Promise<void>; isWoken: () => boolean }> {
    let isWoken = false
    let resolve = () => {}
    const woken = new Promise<void>((done) => (resolve = done))
    const waiter: Waiter = {
      wake: () => {
        isWoken = true
        watch.waiters.delete(waiter)
        this.#due.delete(waiter)
        resolve()
      },
    }
    watch.waiters.add(waiter)
    // a change while the list is read makes it stale again, and has woken this one
    if (watch.isStale) await this.#refresh(watch)
    if (this.#isStopped) waiter.wake()
    return { waiter, woken, isWoken: () => isWoken }
  }

  async #refresh(watch: Watch): Promise<void> {
    watch.isStale = false
    try {
      const rooms = await this.#deps.database.read((conn) => listJoinedRoomNids(conn, watch.userNid))
      this.#unlink(watch)
      watch.rooms = rooms
      for (const nid of rooms) {
        let watches = this.#byRoom.get(nid)
        if (watches === undefined) this.#byRoom.set(nid, (watches = new Set()))
        watches.add(watch)
      }
    } catch (error) {
      watch.isStale = true
      throw error
    }
  }

  #wait(watch: Watch, entered: { waiter: Waiter; woken: Promise<void>; isWoken: () => boolean }): Wait {
    const { waiter, woken, isWoken } = entered
    const end = () => {
      watch.waiters.delete(waiter)
      this.#due.delete(waiter)
    }
    return {
      end,
      until: async (ms, signal, setTimer) => {
        if (isWoken()) return true
        if (signal.aborted || ms <= 0) return (end(), false)
        let giveUp = () => {}
        const gaveUp = new Promise<void>((done) => (giveUp = done))
        const cancel = setTimer(ms, giveUp)
        signal.addEventListener('abort', giveUp, { once: true })
        await Promise.race([woken, gaveUp])
        cancel()
        signal.removeEventListener('abort', giveUp)
        end()
        return isWoken()
      },
    }
  }

  #changed({ roomNids = [], userNids = [], everything = false }: Change): void {
    if (everything) {
      for (const watch of this.#watches.values()) {
        watch.isStale = true
        this.#mark(watch)
      }
    }
    for (const nid of userNids) {
      const watch = this.#watches.peek(nid)
      if (watch === undefined) continue
      watch.isStale = true
      this.#mark(watch)
    }
    for (const nid of roomNids) for (const watch of this.#byRoom.get(nid) ?? []) this.#mark(watch)
  }

  #mark({ waiters }: Watch): void {
    if (waiters.size === 0) return
    for (const waiter of waiters) this.#due.add(waiter)
    if (!this.#isWaking) void this.#wakeAll()
  }

  async #wakeAll(): Promise<void> {
    this.#isWaking = true
    // what is announced in one turn wakes a reader once
    for (await nextTurn(); this.#due.size > 0; await nextTurn()) {
      let count = 0
      for (const waiter of this.#due) {
        waiter.wake()
        if (++count === wokenAtOnce) break
      }
    }
    this.#isWaking = false
  }

  /** Whoever waits on it looks again, and makes a new one. */
  #drop(watch: Watch): void {
    this.#unlink(watch)
    for (const waiter of watch.waiters) waiter.wake()
  }

  #unlink(watch: Watch): void {
    for (const nid of watch.rooms) {
      const watches = this.#byRoom.get(nid)
      watches?.delete(watch)
      if (watches?.size === 0) this.#byRoom.delete(nid)
    }
    watch.rooms = []
  }
}
