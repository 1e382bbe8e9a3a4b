import type { ServerName } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { Database } from '../store/database.ts'
import {
  deleteOldInboundTransactions,
  findInboundTransaction,
  insertInboundTransaction,
} from '../store/inbound-transactions.ts'
import type { Failpoint } from '../util/failpoint.ts'
import type { Log } from '../util/log.ts'
import { KeyedMutex } from '../util/mutex.ts'
import type { Clock } from '../util/ports.ts'
import { Semaphore } from '../util/semaphore.ts'

export interface InboundDeps {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly failpoint?: Failpoint | undefined
}

const originsAtOnce = 16
const keptMs = 7 * 24 * 3_600_000
const sweepMs = 3_600_000

/** Transactions that come in: each applied once, one at a time of each origin, so that none can starve the others. */
export class InboundTransactions {
  readonly #deps: InboundDeps
  readonly #perOrigin = new KeyedMutex<ServerName>()
  readonly #turns = new Semaphore(originsAtOnce)
  readonly #inFlight = new Map<string, Promise<JsonObject>>()
  #nextSweepMs = 0

  constructor(deps: InboundDeps) {
    this.#deps = deps
  }

  /**
   * Answers a transaction: as it was answered before, together with the same one that is being applied, or by `apply`.
   * What `apply` stored must be stored when it resolves; when it throws nothing is remembered, and the origin tries again.
   */
  async receive(origin: ServerName, txnId: string, apply: () => Promise<JsonObject>): Promise<JsonObject> {
    const key = `${origin} ${txnId}`
    const known = this.#inFlight.get(key)
    if (known !== undefined) return known
    const answer = this.#perOrigin.run(origin, () => this.#turns.run(() => this.#once(origin, txnId, apply)))
    this.#inFlight.set(key, answer)
    try {
      return await answer
    } finally {
      this.#inFlight.delete(key)
      this.#sweep()
    }
  }

  async #once(origin: ServerName, txnId: string, apply: () => Promise<JsonObject>): Promise<JsonObject> {
    const { database, clock, failpoint } = this.#deps
    const stored = await database.read((conn) => findInboundTransaction(conn, origin, txnId))
    if (stored !== undefined) return JSON.parse(stored) as JsonObject
    const answer = await apply()
    failpoint?.('inbound:judged')
    const text = JSON.stringify(answer)
    await database.write((tx) => insertInboundTransaction(tx, origin, txnId, text, clock.now()))
    failpoint?.('inbound:stored')
    return answer
  }

  #sweep(): void {
    const { database, clock, log } = this.#deps
    const nowMs = clock.monotonic()
    if (nowMs < this.#nextSweepMs) return
    this.#nextSweepMs = nowMs + sweepMs
    database
      .write((tx) => deleteOldInboundTransactions(tx, clock.now() - keptMs))
      .catch((error: unknown) => log.error('old transactions were not deleted', { error }))
  }
}
