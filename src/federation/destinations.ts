import type { ServerName } from '../protocol/ids.ts'
import type { Database } from '../store/database.ts'
import { listFailingDestinations, putDestinationState, type DestinationState } from '../store/destinations.ts'
import type { Log } from '../util/log.ts'
import type { Clock, Random } from '../util/ports.ts'

export interface DestinationsDeps {
  readonly database: Database
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly retry: { readonly initialMs: number; readonly maxMs: number }
}

interface Failing extends DestinationState {
  readonly failingSinceTs: number
  /** when it was last tried, by the monotonic clock */
  lastTryMs: number
  /** when it last made contact itself, by the monotonic clock */
  contactMs: number
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** While a destination is backing off, somebody who waits may have it tried this often. */
const userTryMs = 10_000
/** A destination that makes contact is tried this long after the last try. */
const contactMs = 30_000

/** Which servers do not answer, and when they are tried again. */
export class Destinations {
  readonly #deps: DestinationsDeps
  readonly #failing = new Map<ServerName, Failing>()
  readonly #listeners = new Set<(server: ServerName, inMs: number) => void>()
  readonly #contacts = new Set<(server: ServerName) => void>()
  #writing: Promise<void> = Promise.resolve()

  constructor(deps: DestinationsDeps) {
    this.#deps = deps
  }

  /** Reads what was known at the last stop, or what other processes found out since. */
  async load(): Promise<void> {
    await this.#writing
    const rows = await this.#deps.database.read(listFailingDestinations)
    for (const server of this.#failing.keys()) if (!rows.has(server)) this.#failing.delete(server)
    for (const [server, row] of rows) {
      const { lastTryMs, contactMs } = this.#failing.get(server) ?? { lastTryMs: -Infinity, contactMs: -Infinity }
      this.#failing.set(server, { ...row, failingSinceTs: row.failingSinceTs ?? row.retryTs, lastTryMs, contactMs })
    }
  }

  /** In how many ms a destination may be tried; 0: now. */
  waitMs(server: ServerName): number {
    const state = this.#failing.get(server)
    if (state === undefined) return 0
    // A clock that was set back must not make the wait longer than it was to be.
    return Math.min(state.intervalMs, Math.max(0, state.retryTs - this.#deps.clock.now()))
  }

  /** Whether it did not answer the last time. */
  isFailing(server: ServerName): boolean {
    return this.#failing.has(server)
  }

  /** Why a request should not be sent now; undefined where it may be. */
  checkUsable(server: ServerName, patience: 'user' | 'background'): string | undefined {
    const state = this.#failing.get(server)
    if (state === undefined || this.waitMs(server) === 0) return undefined
    // It is there: what it just sent may need an answer to a question. One that fails waits for the next contact.
    if (state.contactMs > state.lastTryMs) return undefined
    const nowMs = this.#deps.clock.monotonic()
    if (patience === 'background' || nowMs - state.lastTryMs < userTryMs)
      return 'did not answer lately, and is tried again later'
    state.lastTryMs = nowMs
    return undefined
  }

  /** It answered. */
  succeeded(server: ServerName): void {
    if (!this.#failing.delete(server)) return
    const { clock } = this.#deps
    this.#put(server, { failingSinceTs: null, retryTs: 0, intervalMs: 0 }, clock.now())
    for (const listener of this.#listeners) listener(server, 0)
  }

  /** It did not answer: from the initial wait doubling to an hour on the first day, then to the longest. */
  failed(server: ServerName, atLeastMs = 0): void {
    const { clock, random, retry } = this.#deps
    const known = this.#failing.get(server)
    const lastTryMs = clock.monotonic()
    if (known !== undefined && this.waitMs(server) > 0) {
      known.lastTryMs = lastTryMs
      return
    }
    const now = clock.now()
    const failingSinceTs = known?.failingSinceTs ?? now
    const longest = now - failingSinceTs < dayMs ? Math.min(hourMs, retry.maxMs) : retry.maxMs
    const doubled = known === undefined ? retry.initialMs : Math.max(retry.initialMs, known.intervalMs * 2)
    const intervalMs = Math.max(Math.min(doubled, longest), Math.min(atLeastMs, dayMs))
    const waitMs = Math.round(intervalMs * (0.9 + random.integer(2001) / 10_000))
    const state = { failingSinceTs, retryTs: now + waitMs, intervalMs }
    this.#failing.set(server, { ...state, lastTryMs, contactMs: known?.contactMs ?? -Infinity })
    this.#put(server, state, null)
  }

  /** An authenticated request came from it: what waits for it is tried soon. */
  contacted(server: ServerName): void {
    for (const listener of this.#contacts) listener(server)
    const state = this.#failing.get(server)
    if (state === undefined) return
    const { clock } = this.#deps
    state.contactMs = clock.monotonic()
    if (this.waitMs(server) === 0) return
    const inMs = Math.max(0, state.lastTryMs + contactMs - clock.monotonic())
    if (this.waitMs(server) <= inMs) return
    const woken = { ...state, retryTs: Math.ceil(clock.now() + inMs) }
    this.#failing.set(server, woken)
    this.#put(server, woken, null)
    for (const listener of this.#listeners) listener(server, inMs)
  }

  /** Calls back whenever an authenticated request came from a server. */
  onContact(listener: (server: ServerName) => void): () => void {
    this.#contacts.add(listener)
    return () => this.#contacts.delete(listener)
  }

  /** Calls back when a destination that was failing may be tried earlier than was planned. */
  onUsable(listener: (server: ServerName, inMs: number) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Waits until everything noted so far is stored. */
  async settled(): Promise<void> {
    await this.#writing
  }

  #put(server: ServerName, { failingSinceTs, retryTs, intervalMs }: DestinationState, okTs: number | null): void {
    const { database, log } = this.#deps
    const write = () =>
      database.write((tx) => putDestinationState(tx, server, { failingSinceTs, retryTs, intervalMs }, okTs))
    // In order, one after the other: the last word counts. Lost in a crash, it is found out again.
    this.#writing = this.#writing
      .then(write)
      .catch((error: unknown) => log.error('the state of a destination was not stored', { error }))
  }
}
