import type { LRUCache } from 'lru-cache'
import type { Change, Changes } from '../store/changes.ts'
import type { Database } from '../store/database.ts'
import { listJoinedRoomNids } from '../store/sync.ts'
import { nextTurn } from '../util/next-turn.ts'
import type { Ending } from '../util/ending.ts'
import { lru } from '../util/lru.ts'

/** What one user's requests wait for. Kept between requests, because a client that polls comes back at once. */
interface Watch {
  readonly userNid: number
  rooms: readonly number[]
  readonly waiters: Set<Wait>
  /** the user's rooms may have changed since `rooms` was read */
  isStale: boolean
  /** `rooms` is being read */
  refreshing: Promise<void> | undefined
}

type SetTimer = (ms: number, fn: () => void) => () => void

interface NotifierDeps {
  readonly database: Database
  readonly changes: Changes
}

const mostWatches = 20_000
/** So many readers are woken in one turn of the event loop; whoever reads then has a queue of its own. */
const wokenAtOnce = 1_000

/** Waits for news since the moment in which it was made. */
export class Wait {
  readonly #siblings: Set<Wait>
  readonly #due: Set<Wait>
  #isWoken = false
  #finish: (() => void) | undefined

  constructor(siblings: Set<Wait>, due: Set<Wait>) {
    this.#siblings = siblings
    this.#due = due
    siblings.add(this)
  }

  /** Resolves at the first change that concerns the user; true. False after `ms`, or when the signal is aborted. */
  until(ms: number, signal: Ending, setTimer: SetTimer): Promise<boolean> {
    if (this.#isWoken || signal.aborted || ms <= 0) {
      this.end()
      return Promise.resolve(this.#isWoken)
    }
    return new Promise((resolve) => {
      const finish = () => {
        this.#finish = undefined
        cancel()
        signal.removeEventListener('abort', finish)
        this.end()
        resolve(this.#isWoken)
      }
      const cancel = setTimer(ms, finish)
      signal.addEventListener('abort', finish)
      this.#finish = finish
    })
  }

  get isWoken(): boolean {
    return this.#isWoken
  }

  /** Ends it where `until` was not called. */
  end(): void {
    this.#siblings.delete(this)
    this.#due.delete(this)
  }

  /** Something happened that concerns the user. */
  wake(): void {
    this.#isWoken = true
    if (this.#finish === undefined) this.end()
    else this.#finish()
  }
}

/** Wakes readers that wait for changes of their rooms or of their own data: once a turn, and a few at a time. */
export class Notifier {
  readonly #deps: NotifierDeps
  readonly #watches: LRUCache<number, Watch>
  readonly #byRoom = new Map<number, Set<Watch>>()
  readonly #due = new Set<Wait>()
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
      watch = { userNid, rooms: [], waiters: new Set(), isStale: true, refreshing: undefined }
      this.#watches.set(userNid, watch)
    }
    const wait = new Wait(watch.waiters, this.#due)
    // one read at a time, which all wait for; a change while the list is read makes it stale again, and wakes them
    while (!wait.isWoken && (watch.isStale || watch.refreshing !== undefined)) {
      watch.refreshing ??= this.#refresh(watch).finally(() => (watch.refreshing = undefined))
      try {
        await watch.refreshing
      } catch (error) {
        wait.end()
        throw error
      }
    }
    if (this.#isStopped) wait.wake()
    return wait
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
