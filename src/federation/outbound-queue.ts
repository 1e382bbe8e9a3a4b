import type { ServerName } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { isDestinationLeased, leaseDestination, releaseDestination } from '../store/destinations.ts'
import { finishOutboundTransaction, isAnythingWaiting } from '../store/outbound.ts'
import type { Semaphore } from '../util/semaphore.ts'
import { FederationError } from './errors.ts'
import type { EphemeralEdu, OutboundDeps } from './outbound-deps.ts'
import { maxEdus, nextTransaction, type Transaction } from './transaction.ts'

export interface QueueDeps extends OutboundDeps {
  readonly signal: AbortSignal
  readonly healthy: Semaphore
  readonly failing: Semaphore
  readonly builds: Semaphore
  /** more than one process may send to a destination: it is leased */
  readonly isShared: boolean
}

/** What came of one round. */
type Outcome = 'sent' | 'idle' | 'failed' | 'elsewhere'

/** With more than one process: how long a destination belongs to one, and how often that is renewed. */
const leaseMs = 9_000
const renewMs = 3_000
/** A transaction of one item that is refused so often is given up: nothing may block a queue for ever. */
const refusalsPerItem = 3
const wholeSize = 1_000
/** The database could not be used: try again after this. */
const stumbleMs = 5_000

/** The queue of one destination: one transaction in flight, the same until it is acknowledged. */
export class OutboundQueue {
  readonly #deps: QueueDeps
  readonly #serverNid: number
  readonly #server: ServerName
  readonly #ephemeral = new Map<string, EphemeralEdu>()
  #running: Promise<void> | undefined
  #isWoken = false
  #isCatchingUp = false
  #isLeased = false
  #most = wholeSize
  #refusals = 0
  #counter = 0
  #cancelTimer = () => {}

  constructor(deps: QueueDeps, serverNid: number, server: ServerName) {
    this.#deps = deps
    this.#serverNid = serverNid
    this.#server = server
  }

  /** From now until it is up to date, rooms with much news are sent in short. */
  catchUp(): void {
    this.#isCatchingUp = true
  }

  /** Sends what waits, unless that is being done. */
  run(): void {
    this.#isWoken = true
    if (this.#running !== undefined || this.#deps.signal.aborted) return
    this.#cancelTimer()
    this.#running = this.#drain()
      .catch((error: unknown) => {
        this.#deps.log.error('an outbound queue stumbled', { destination: this.#server, error })
        this.runIn(stumbleMs)
      })
      .finally(() => {
        this.#running = undefined
        // Woken after the last look, and before this.
        if (this.#isWoken) this.run()
      })
  }

  /** Runs after some time, instead of at any time planned before. */
  runIn(ms: number): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#deps.clock.setTimer(ms, () => this.run())
  }

  /** Adds an EDU for the next transaction; of too many the oldest go. */
  addEphemeral(edu: EphemeralEdu): void {
    if (this.#deps.destinations.waitMs(this.#server) > 0) return
    const key = edu.key ?? `#${this.#counter++}`
    this.#ephemeral.delete(key)
    this.#ephemeral.set(key, edu)
    for (const oldest of this.#ephemeral.keys()) {
      if (this.#ephemeral.size <= maxEdus) break
      this.#ephemeral.delete(oldest)
    }
    this.run()
  }

  /** Waits until nothing is in flight; the signal has been aborted. */
  async stop(): Promise<void> {
    this.#cancelTimer()
    await this.#running
  }

  async #drain(): Promise<void> {
    const { destinations, signal, failing, healthy } = this.#deps
    while (!signal.aborted) {
      this.#isWoken = false
      const waitMs = destinations.waitMs(this.#server)
      if (waitMs > 0) return this.#later(waitMs)
      const lane = destinations.isFailing(this.#server) ? failing : healthy
      const outcome = await lane.run(() => this.#round())
      if (outcome === 'failed') return this.#later(Math.max(1000, destinations.waitMs(this.#server)))
      if (outcome === 'elsewhere') return this.#later(leaseMs / 3)
      if (outcome === 'idle' && !this.#isWoken) return
    }
  }

  #later(ms: number): void {
    // What is ephemeral has no use later.
    this.#ephemeral.clear()
    this.runIn(ms)
  }

  async #round(): Promise<Outcome> {
    const { database, signal } = this.#deps
    if (signal.aborted) return 'idle'
    const isWaiting =
      this.#ephemeral.size > 0 || (await database.read((conn) => isAnythingWaiting(conn, this.#serverNid)))
    if (!isWaiting) {
      this.#isCatchingUp = false
      await this.#release()
      return 'idle'
    }
    const ephemeral = [...this.#ephemeral.values()].map(({ type, content }): JsonObject => ({
      content,
      edu_type: type,
    }))
    this.#ephemeral.clear()
    const next = await this.#deps.builds.run(() => this.#next(ephemeral))
    if (next === 'elsewhere') return 'elsewhere'
    if (next.transaction === undefined) {
      await this.#release()
      return 'idle'
    }
    if (next.transaction.size === 0) return 'sent'
    return this.#send(next.transaction, next.fence)
  }

  async #next(
    ephemeral: readonly JsonObject[],
  ): Promise<'elsewhere' | { transaction: Transaction | undefined; fence: number }> {
    const { database, clock, random, prepare, serverName, isShared } = this.#deps
    const newTxnId = random.token(12)
    const next = await database.write(async (tx) => {
      const nowTs = clock.now()
      const fence = isShared ? await leaseDestination(tx, this.#serverNid, nowTs, nowTs + leaseMs) : 0
      if (fence === undefined) return 'elsewhere' as const
      const transaction = await nextTransaction(tx, {
        serverNid: this.#serverNid,
        server: this.#server,
        origin: serverName,
        prepare,
        newTxnId,
        nowTs,
        isCatchingUp: this.#isCatchingUp,
        most: this.#most,
        ephemeral,
      })
      return { transaction, fence }
    })
    this.#isLeased = isShared && next !== 'elsewhere'
    return next
  }

  /** Lets another process send, as soon as there is nothing more to send from here. */
  async #release(): Promise<void> {
    if (!this.#isLeased) return
    this.#isLeased = false
    await this.#deps.database.write((tx) => releaseDestination(tx, this.#serverNid))
  }

  async #send(transaction: Transaction, fence: number): Promise<Outcome> {
    const { database, federation, destinations, log, signal } = this.#deps
    const stopRenewing = this.#deps.isShared ? this.#renew() : () => {}
    try {
      await database.durable()
      const verdicts = await federation.sendTransaction(this.#server, transaction.txnId, transaction.body, signal)
      this.#logRefusals(verdicts)
      this.#most = wholeSize
      this.#refusals = 0
      await this.#finish(transaction, fence)
      if (!transaction.isAll || this.#isWoken) return 'sent'
      this.#isCatchingUp = false
      await this.#release()
      return 'idle'
    } catch (error) {
      if (!(error instanceof FederationError)) throw error
      if (signal.aborted) return 'failed'
      if (isRefusedAsItIs(error)) return await this.#shrink(transaction, fence)
      // What answers, but not to this, waits as one that does not answer.
      destinations.failed(this.#server, error.remote?.retryAfterMs)
      this.#isCatchingUp = true
      log.debug('a transaction was not taken', {
        destination: this.#server,
        kind: error.kind,
        status: error.remote?.status,
      })
      return 'failed'
    } finally {
      stopRenewing()
    }
  }

  /** The destination does not want this very transaction: half of it, and in the end none of its single item. */
  async #shrink(transaction: Transaction, fence: number): Promise<Outcome> {
    const { log, destinations } = this.#deps
    if (transaction.size > 1) {
      this.#most = Math.max(1, Math.floor(Math.min(this.#most, transaction.size) / 2))
      return 'sent'
    }
    if (++this.#refusals < refusalsPerItem) {
      destinations.failed(this.#server)
      return 'failed'
    }
    log.warn('an event or EDU was refused again and again and is given up', { destination: this.#server })
    this.#refusals = 0
    await this.#finish(transaction, fence)
    return 'sent'
  }

  async #finish({ txnId, marks, isStored }: Transaction, fence: number): Promise<void> {
    if (!isStored) return
    await this.#deps.database.write(async (tx) => {
      // Another process has taken over: it sends the same transaction, which is harmless, and moves the marks.
      if (this.#deps.isShared && !(await isDestinationLeased(tx, this.#serverNid, fence))) return
      await finishOutboundTransaction(tx, this.#serverNid, { txnId, ...marks })
    })
  }

  #renew(): () => void {
    const { clock, database, log } = this.#deps
    let cancel = () => {}
    const arm = () => {
      cancel = clock.setTimer(renewMs, () => {
        const now = clock.now()
        database
          .write((tx) => leaseDestination(tx, this.#serverNid, now, now + leaseMs))
          .then(arm, (error: unknown) => log.error('a lease was not renewed', { error }))
      })
    }
    arm()
    return () => {
      cancel()
      cancel = () => {}
    }
  }

  #logRefusals(verdicts: JsonObject): void {
    const refused = Object.values(verdicts).filter(
      (verdict) => typeof verdict === 'object' && verdict !== null && 'error' in verdict,
    )
    if (refused.length > 0)
      this.#deps.log.info('events were refused', { destination: this.#server, count: refused.length })
  }
}

/** Whether the answer speaks of what was sent, not of us or of its server. */
function isRefusedAsItIs({ remote }: FederationError): boolean {
  return remote !== undefined && [400, 413, 414, 422].includes(remote.status)
}
