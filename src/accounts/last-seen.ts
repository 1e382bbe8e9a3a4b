import type { Database } from '../store/database.ts'
import { putDeviceSeen } from '../store/devices.ts'
import { maskAddress } from '../util/address.ts'
import type { Config } from '../util/config.ts'
import type { Log } from '../util/log.ts'
import type { Clock } from '../util/ports.ts'
import { lru } from '../util/lru.ts'

const onceEveryMs = 60_000
const flushAfterMs = 10_000
const batch = 200
const maxAgentLength = 256

interface Sight {
  readonly userNid: number
  readonly deviceId: string
  readonly ts: number
  readonly address: string | null
  readonly agent: string | null
}

/** What is noted of a request; the address is masked before it is kept. */
export interface Seen {
  readonly address?: string | undefined
  readonly userAgent?: string | undefined
  readonly doNotTrack?: boolean | undefined
}

/**
 * When and whence each device was last used (P13, P23): at most once a minute for each device, written in batches, so
 * that no request waits for it.
 */
export class LastSeen {
  readonly #deps: {
    readonly database: Database
    readonly clock: Clock
    readonly log: Log
    readonly config: Pick<Config, 'privacy'>
  }
  readonly #noted = lru<string, number>(50_000)
  readonly #pending = new Map<string, Sight>()
  #cancel: (() => void) | undefined

  constructor(deps: {
    readonly database: Database
    readonly clock: Clock
    readonly log: Log
    readonly config: Pick<Config, 'privacy'>
  }) {
    this.#deps = deps
  }

  /** Notes that a device was used now. */
  note(userNid: number, deviceId: string, seen: Seen): void {
    const { clock, config } = this.#deps
    const key = `${userNid} ${deviceId}`
    const since = this.#noted.get(key)
    const monotonic = clock.monotonic()
    if (since !== undefined && monotonic - since < onceEveryMs) return
    this.#noted.set(key, monotonic)
    const { address = '', userAgent, doNotTrack = false } = seen
    const masked = doNotTrack ? '' : maskAddress(address, config.privacy.maskAddresses)
    const agent = doNotTrack ? undefined : userAgent?.slice(0, maxAgentLength)
    this.#pending.set(key, {
      userNid,
      deviceId,
      ts: clock.now(),
      address: masked === '' ? null : masked,
      agent: agent ?? null,
    })
    this.#cancel ??= clock.setTimer(flushAfterMs, () => void this.flush())
  }

  /** Writes down what was noted; never fails: what cannot be written is dropped. */
  async flush(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    while (this.#pending.size > 0) {
      const sights = [...this.#pending.values()].slice(0, batch)
      for (const { userNid, deviceId } of sights) this.#pending.delete(`${userNid} ${deviceId}`)
      try {
        await this.#deps.database.write(async (tx) => {
          for (const sight of sights) await putDeviceSeen(tx, sight)
        })
      } catch (error) {
        this.#deps.log.warn('could not note when devices were last seen', { devices: sights.length, error })
        return
      }
    }
  }
}
