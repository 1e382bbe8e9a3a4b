import pg from 'pg'
import type { Clock } from '../util/ports.ts'
import { clientConfig } from './postgres-conn.ts'
import type { PostgresTarget } from './postgres-conn.ts'

const channel = 'lethe_positions'

/** Tells other processes of positions, and hears of theirs. It only speeds things up: a poll finds what it misses. */
export class Notifications {
  readonly #target: PostgresTarget
  readonly #clock: Clock
  readonly #onPosition: (writerNid: number, position: number) => void
  #client: pg.Client | undefined
  #told = ''
  #isTelling = false
  #isClosed = false

  constructor(target: PostgresTarget, clock: Clock, onPosition: (writerNid: number, position: number) => void) {
    this.#target = target
    this.#clock = clock
    this.#onPosition = onPosition
  }

  /** Connects, and again whenever the connection is lost. */
  async open(): Promise<void> {
    if (this.#isClosed) return
    const client = new pg.Client(clientConfig(this.#target))
    const again = () => {
      if (this.#client !== client) return
      this.#client = undefined
      this.#clock.setTimer(1_000, () => void this.open())
    }
    client.on('error', again)
    client.on('end', again)
    client.on('notification', ({ payload = '' }) => {
      const [writerNid = NaN, position = NaN] = payload.split(':').map(Number)
      if (Number.isSafeInteger(writerNid) && Number.isSafeInteger(position)) this.#onPosition(writerNid, position)
    })
    this.#client = client
    try {
      await client.connect()
      await client.query(`listen ${channel}`)
    } catch {
      void client.end().catch(() => {})
      again()
    }
  }

  /** Tells the others; what comes while one is on its way goes out together as the newest. */
  tell(writerNid: number, position: number): void {
    this.#told = `${writerNid}:${position}`
    if (!this.#isTelling) void this.#send()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const client = this.#client
    this.#client = undefined
    await client?.end().catch(() => {})
  }

  async #send(): Promise<void> {
    this.#isTelling = true
    let sent = ''
    while (sent !== this.#told && this.#client) {
      sent = this.#told
      // a failure is made good by the poll
      await this.#client.query('select pg_notify($1, $2)', [channel, sent]).catch(() => undefined)
    }
    this.#isTelling = false
  }
}
