import type { ServerName } from '../../protocol/ids.ts'
import { findNextPeerTs, listPendingHosts, wakePeer } from '../../store/erasure-peers.ts'
import { listOpenErasures } from '../../store/erasures.ts'
import type { ErasureRow } from '../../store/erasures.ts'
import { findNextInboundTs } from '../../store/inbound-erasures.ts'
import { findServerNid } from '../../store/servers.ts'
import type { Budget } from '../../util/budget.ts'
import { KeyedMutex } from '../../util/mutex.ts'
import { Semaphore } from '../../util/semaphore.ts'
import type { ErasureWork, PrivacyDeps } from '../deps.ts'
import { eraseInboundDue } from '../inbound/erase-inbound.ts'
import { DeadlineWatch } from './deadline.ts'
import { forwardDue } from './forward.ts'
import { Lanes } from './lanes.ts'
import type { DueTs } from './lanes.ts'
import { bucketFor } from './pace.ts'
import { leaveLateRooms } from './part.ts'
import { eraseReleased } from './released.ts'
import { rewriteIfDeleted } from './rewrite.ts'
import { stepOf } from './states.ts'
import type { Step } from './states.ts'
import { workOn } from './worker.ts'

const jobsAtOnce = 4
/** The longest time without looking: what other processes, or nobody any more, work on is found by it. */
const pollMs = { sqlite: 60_000, postgres: 3_000 } as const
const longPollMs = 60_000
const releasedEveryMs = 3_600_000
const retryMs = 30_000
/** A server that makes contact is not asked again sooner than this after the last time. */
const contactMs = 10 * 60_000
/** The first steps end in minutes; the others may wait for days. */
const slowSteps: readonly Step[] = ['REDACT', 'PART', 'COLLECT', 'SETTLED']

/** Works through erasures: one for each process. Everything it knows is in the database; it may be killed at any moment. */
export class Eraser implements ErasureWork {
  /** Redactions of all erasures together; undefined: no limit. */
  bucket: Budget | undefined
  readonly #mutexes = new KeyedMutex<string>()
  readonly #quickSlots = new Semaphore(jobsAtOnce)
  readonly #slowSlots = new Semaphore(jobsAtOnce)
  readonly #stopping = new AbortController()
  readonly #deadlines = new DeadlineWatch()
  /** where each job stood when it was last looked at */
  readonly #standings = new Map<number, string>()
  #deps: PrivacyDeps | undefined
  #lanes: Lanes | undefined
  #pendingHosts = new Set<ServerName>()
  #running: Promise<void> | undefined
  #isWanted = false
  #cancel = () => {}
  #stopContacts = () => {}

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
    this.#lanes = new Lanes(deps.clock, () => this.#run())
    this.bucket = bucketFor(deps.config.erasure.rates.total, deps.clock)
  }

  /** Aborted when the server stops. */
  get signal(): AbortSignal {
    return this.#stopping.signal
  }

  /** There is something to do. */
  wake(): void {
    this.#lanes?.allSoon()
    this.#run()
  }

  /** Somebody who may hold what an erased person wrote is gone. */
  holdersChanged(): void {
    this.#soon('released')
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
      .then((woken) => (woken > 0 ? this.#soon('forward') : undefined))
      .catch((error: unknown) => deps.log.warn('a server that made contact could not be noted', { error }))
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#running !== undefined || this.#lanes?.isIdle === false) {
      await this.#running
      await this.#lanes?.ended()
    }
  }

  /** Stops after the write that is under way. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the server stops'))
    this.#stopContacts()
    await this.settled()
    this.#cancel()
  }

  #soon(lane: string): void {
    this.#lanes?.soon(lane)
    this.#run()
  }

  #run(): void {
    this.#isWanted = true
    const deps = this.#deps
    if (this.#running !== undefined || deps === undefined || this.#stopping.signal.aborted) return
    this.#running = this.#rounds(deps).finally(() => {
      this.#running = undefined
      if (this.#isWanted) this.#run()
    })
  }

  async #rounds(deps: PrivacyDeps): Promise<void> {
    let nextTs = deps.clock.now() + retryMs
    while (this.#isWanted && !this.#stopping.signal.aborted) {
      this.#isWanted = false
      this.#cancel()
      try {
        nextTs = await this.#round(deps)
      } catch (error) {
        if (!this.#stopping.signal.aborted) deps.log.error('a round of erasures failed', { error })
      }
    }
    if (this.#stopping.signal.aborted) return
    const waitMs = Math.max(50, Math.min(pollMs[deps.database.engine], nextTs - deps.clock.now()))
    this.#cancel = deps.clock.setTimer(waitMs, () => this.#run())
  }

  /** Begins what is due and waits for none of it: a long erasure holds nobody else up. Gives when something is due next. */
  async #round(deps: PrivacyDeps): Promise<number> {
    const lanes = this.#lanes
    if (lanes === undefined) return Infinity
    const open = await deps.database.read(listOpenErasures)
    for (const row of open) await this.#deadlines.look(deps, row)
    lanes.keep(new Set([...fixedLanes, ...open.map(laneOf)]))
    for (const row of open) this.#beginJob(deps, lanes, row)
    this.#begin(deps, 'forward', () => this.#forward(deps))
    this.#begin(deps, 'rooms', () => leaveLateRooms(deps).then(() => deps.clock.now() + longPollMs))
    this.#begin(deps, 'inbound', () => this.#inbound(deps))
    this.#begin(deps, 'released', () => this.#released(deps))
    this.#begin(deps, 'rewrite', async () => (await rewriteIfDeleted(deps)) ?? deps.clock.now() + longPollMs)
    this.#pendingHosts = await deps.database.read(listPendingHosts)
    return lanes.nextTs()
  }

  #begin(deps: PrivacyDeps, lane: string, fn: () => Promise<DueTs>): void {
    this.#lanes?.begin(lane, async () => {
      try {
        return await fn()
      } catch (error) {
        if (!this.signal.aborted)
          deps.log.error('a part of the work on erasures failed and is tried again', { part: lane, error })
        return deps.clock.now() + retryMs
      }
    })
  }

  #beginJob(deps: PrivacyDeps, lanes: Lanes, row: ErasureRow): void {
    const { erasure_nid: nid, state, resume_state: resume, mode } = row
    const lane = laneOf(row)
    if (lanes.isRunning(lane)) return void this.#standings.delete(nid)
    // an operator, or another process, has moved it since
    const standing = `${state} ${resume} ${mode}`
    if ((this.#standings.get(nid) ?? standing) !== standing) lanes.soon(lane)
    this.#standings.set(nid, standing)
    const step = stepOf(row)
    if (step !== undefined) this.#begin(deps, lane, () => this.#work(deps, nid, step))
  }

  /** Until an account is scrubbed nothing waits for erasures that have come further (SCRUB: within an hour). */
  async #work(deps: PrivacyDeps, nid: number, step: Step): Promise<DueTs> {
    const limits = { signal: this.signal, reached: () => this.#soon('forward') }
    const quick = slowSteps.includes(step)
      ? undefined
      : await this.#quickSlots.run(() => workOn(deps, nid, { ...limits, before: slowSteps }))
    return quick ?? this.#slowSlots.run(() => workOn(deps, nid, limits))
  }

  /** A job may be closed as soon as the last of its servers is told. */
  async #forward(deps: PrivacyDeps): Promise<DueTs> {
    if (await forwardDue(deps))
      for (const row of await deps.database.read(listOpenErasures))
        if (stepOf(row) === 'SETTLED') this.#lanes?.soon(laneOf(row))
    const now = deps.clock.now()
    return Math.min((await deps.database.read(findNextPeerTs)) ?? Infinity, now + longPollMs)
  }

  async #inbound(deps: PrivacyDeps): Promise<DueTs> {
    if (await eraseInboundDue(deps, this.signal)) this.#lanes?.soon('rewrite')
    return Math.min((await deps.database.read(findNextInboundTs)) ?? Infinity, deps.clock.now() + longPollMs)
  }

  async #released(deps: PrivacyDeps): Promise<DueTs> {
    await eraseReleased(deps, this.signal)
    this.#lanes?.soon('rewrite')
    return deps.clock.now() + releasedEveryMs
  }
}

const fixedLanes = ['forward', 'rooms', 'inbound', 'released', 'rewrite'] as const

const laneOf = ({ erasure_nid: nid }: Pick<ErasureRow, 'erasure_nid'>) => `erasure ${nid}`
