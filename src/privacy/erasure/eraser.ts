import type { ServerName } from '../../protocol/ids.ts'
import { findNextPeerTs, listPendingHosts, wakePeer } from '../../store/erasure-peers.ts'
import { advanceErasure, listOpenErasures } from '../../store/erasures.ts'
import type { ErasureRow, ErasureState } from '../../store/erasures.ts'
import { findServerNid } from '../../store/servers.ts'
import type { Budget } from '../../util/budget.ts'
import { KeyedMutex } from '../../util/mutex.ts'
import { Semaphore } from '../../util/semaphore.ts'
import type { PrivacyDeps } from '../deps.ts'
import { eraseInboundDue } from '../inbound/erase-inbound.ts'
import { forwardDue } from './forward.ts'
import { eraseReleased } from './released.ts'
import { bucketFor } from './pace.ts'
import { leaveLateRooms } from './part.ts'
import { stepOf } from './states.ts'
import { workOn } from './worker.ts'

const jobsAtOnce = 4
/** The longest time without looking: other processes' jobs and holders that are gone are found by it. */
const pollMs = 60_000
const releasedEveryMs = 3_600_000
const retryMs = 30_000
/** A server that makes contact is not asked again sooner than this after the last time. */
const contactMs = 10 * 60_000

/** Works through erasures: one for each process. Everything it knows is in the database; it may be killed at any moment. */
export class Eraser {
  /** Redactions of all erasures together; undefined: no limit. */
  bucket: Budget | undefined
  readonly #mutexes = new KeyedMutex<string>()
  readonly #slots = new Semaphore(jobsAtOnce)
  readonly #stopping = new AbortController()
  readonly #notBefore = new Map<number, number>()
  readonly #alarmed = new Set<string>()
  #deps: PrivacyDeps | undefined
  #pendingHosts = new Set<ServerName>()
  #running: Promise<void> | undefined
  #isWanted = false
  #cancel = () => {}
  #stopContacts = () => {}
  #releasedTs = 0

  /** Runs `fn` alone among those of the same key in this process. */
  alone<T>(key: string, fn: () => Promise<T>): Promise<T> {
    return this.#mutexes.run(key, fn)
  }

  /** Begins to work. */
  start(deps: PrivacyDeps): void {
    this.prepare(deps)
    this.#stopContacts = deps.destinations.onContact((server) => this.contacted(server))
    this.wake()
  }

  /** What `start` does before the first round: enough for work that is asked for by hand. */
  prepare(deps: PrivacyDeps): void {
    this.#deps = deps
    this.bucket = bucketFor(deps.config.erasure.rates.total, deps.clock)
  }

  /** Aborted when the server stops. */
  get signal(): AbortSignal {
    return this.#stopping.signal
  }

  /** There is something to do. */
  wake(): void {
    this.#notBefore.clear()
    this.#run()
  }

  /** Somebody who may hold what an erased person wrote is gone. */
  holdersChanged(): void {
    this.#releasedTs = 0
    this.#run()
  }

  /** An authenticated request came from a server: what waits for it is tried now. */
  contacted(server: ServerName): void {
    const deps = this.#deps
    if (deps === undefined || !this.#pendingHosts.delete(server)) return
    const now = deps.clock.now()
    void deps.database
      .write(async (tx) => {
        const nid = await findServerNid(tx, server)
        return nid === undefined ? 0 : wakePeer(tx, nid, now, now - contactMs)
      })
      .then((woken) => (woken > 0 ? this.#run() : undefined))
      .catch((error: unknown) => deps.log.warn('a server that made contact could not be noted', { error }))
  }

  /** Resolves when the round that is under way, and one that was asked for meanwhile, are over. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Stops after the write that is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the server stops'))
    this.#stopContacts()
    this.#cancel()
    await this.settled()
  }

  #run(): void {
    this.#isWanted = true
    if (this.#running !== undefined || this.#deps === undefined || this.#stopping.signal.aborted) return
    const deps = this.#deps
    this.#running = this.#rounds(deps)
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) deps.log.error('a round of erasures failed', { error })
      })
      .finally(() => {
        this.#running = undefined
        if (this.#isWanted) this.#run()
      })
  }

  async #rounds(deps: PrivacyDeps): Promise<void> {
    let nextTs = Infinity
    while (this.#isWanted && !this.#stopping.signal.aborted) {
      this.#isWanted = false
      this.#cancel()
      nextTs = await this.#round(deps)
    }
    if (this.#stopping.signal.aborted) return
    const waitMs = Math.max(50, Math.min(pollMs, nextTs - deps.clock.now()))
    this.#cancel = deps.clock.setTimer(waitMs, () => this.#run())
  }

  /** Gives when something is due next. */
  async #round(deps: PrivacyDeps): Promise<number> {
    const open = await deps.database.read(listOpenErasures)
    for (const row of open) await this.#watchDeadline(deps, row)
    const due = open.filter(({ erasure_nid: nid }) => (this.#notBefore.get(nid) ?? 0) <= deps.clock.now())
    await Promise.all([
      ...due.map((row) => this.#slots.run(() => this.#work(deps, row))),
      this.#safely(deps, () => this.#forward(deps)),
      this.#safely(deps, () => leaveLateRooms(deps)),
      this.#safely(deps, () => eraseInboundDue(deps, this.signal)),
    ])
    const now = deps.clock.now()
    if (now - this.#releasedTs >= releasedEveryMs) {
      this.#releasedTs = now
      await this.#safely(deps, () => eraseReleased(deps, this.signal))
    }
    this.#pendingHosts = await deps.database.read(listPendingHosts)
    const nextPeerTs = (await deps.database.read(findNextPeerTs)) ?? Infinity
    const waits = open.map(({ erasure_nid: nid }) => this.#notBefore.get(nid) ?? Infinity)
    return Math.min(nextPeerTs, ...waits)
  }

  /** A job may be closed as soon as the last of its servers is told. */
  async #forward(deps: PrivacyDeps): Promise<void> {
    if (!(await forwardDue(deps))) return
    this.#notBefore.clear()
    this.#isWanted = true
  }

  async #work(deps: PrivacyDeps, row: ErasureRow): Promise<void> {
    const { erasure_nid: nid } = row
    try {
      const untilTs = await workOn(deps, nid, { signal: this.signal })
      this.#notBefore.set(nid, untilTs ?? Infinity)
      // what was just reached lets its servers be told, and a job whose servers are all told is closed
      const after = stepOf(row)
      if (after === 'SETTLED' ? untilTs === undefined : after !== undefined)
        this.#isWanted ||= await this.#hasMoved(deps, row)
    } catch (error) {
      if (this.signal.aborted) return
      this.#notBefore.set(nid, deps.clock.now() + retryMs)
      deps.log.error('a step of an erasure failed and is tried again', { erasure: row.id, state: row.state, error })
    }
  }

  async #hasMoved(deps: PrivacyDeps, { erasure_nid: nid, state }: ErasureRow): Promise<boolean> {
    const open = await deps.database.read(listOpenErasures)
    const now = open.find((row) => row.erasure_nid === nid)
    return now !== undefined && now.state !== state
  }

  async #safely(deps: PrivacyDeps, fn: () => Promise<void>): Promise<void> {
    try {
      await fn()
    } catch (error) {
      if (!this.signal.aborted) deps.log.error('a part of the work on erasures failed and is tried again', { error })
    }
  }

  /** At 80% of the time an alarm, past it the state STUCK: never silence. */
  async #watchDeadline(deps: PrivacyDeps, row: ErasureRow): Promise<void> {
    if (row.settled_ts !== null || row.state === 'HELD') return
    const now = deps.clock.now()
    const share = (now - row.requested_ts) / Math.max(1, row.deadline_ts - row.requested_ts)
    if (share > 1 && row.state !== 'STUCK' && stepOf(row) !== undefined)
      await deps.database.write((tx) =>
        advanceErasure(tx, row.erasure_nid, { state: 'STUCK', resume: row.state as ErasureState }),
      )
    const level = share > 1 ? 'late' : share >= 0.8 ? 'soon' : undefined
    if (level === undefined || this.#alarmed.has(`${row.id} ${level}`)) return
    this.#alarmed.add(`${row.id} ${level}`)
    const text =
      level === 'late' ? 'ALARM: an erasure has missed its deadline' : 'ALARM: an erasure is close to its deadline'
    deps.log.error(text, { erasure: row.id, state: row.state })
  }
}
