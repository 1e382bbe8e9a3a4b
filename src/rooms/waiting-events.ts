import type { Destinations } from '../federation/destinations.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { RoomId, ServerName } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import { listStagedOrigins } from '../store/staged.ts'
import { backoffMs } from '../util/backoff.ts'
import { Semaphore } from '../util/semaphore.ts'
import { likelyServers } from './backfill.ts'
import type { Public, RoomsDeps } from './deps.ts'
import type { LiveDeps } from './receive-live.ts'
import type { Room } from './room.ts'
import { dropStaged, judgeStaged } from './staged-events.ts'

type Deps = LiveDeps & Pick<RoomsDeps, 'config' | 'random'> & { readonly destinations: Public<Destinations> }

/** The first time other servers of the room are asked soon: those that have the event have what it names. */
const soonMs = 2_000
const hourMs = 3_600_000
/** Servers that are asked in a round: where the event came from, and others of the room. */
const serversPerRound = 3
/** When everybody who was asked answered, and so often, nobody has it. */
const answersToGiveUp = 3
const roundsAtOnce = 16
const mostWaiting = 10_000

interface Waiting {
  failures: number
  answers: number
  /** by the monotonic clock */
  dueMs: number
  lastMs: number
  cancel: () => void
  isRunning: boolean
}

/**
 * Events that name others which could not be had: they are kept in the database, and what they lack is asked for again, of
 * the server that sent them and of others in the room. The waits double from the configured first one to an hour, for a
 * day; when the sender makes contact it is asked at once, though not more often than after the first wait.
 */
export class WaitingEvents {
  readonly #deps: Deps
  readonly #byOrigin = new Map<ServerName, Map<RoomId, Waiting>>()
  readonly #turns = new Semaphore(roundsAtOnce)
  readonly #running = new Set<Promise<void>>()
  readonly #stopListening: () => void
  #count = 0
  #isStopped = false

  constructor(deps: Deps) {
    this.#deps = { ...deps, waiting: this }
    this.#stopListening = deps.destinations.onContact((server) => this.#contacted(server))
  }

  /** Events of this server in this room wait in the database. */
  add(roomId: RoomId, origin: ServerName): void {
    const ofOrigin = this.#byOrigin.get(origin) ?? new Map<RoomId, Waiting>()
    if (this.#isStopped || ofOrigin.has(roomId) || this.#count >= mostWaiting) return
    this.#byOrigin.set(origin, ofOrigin)
    this.#count++
    const nowMs = this.#deps.clock.monotonic()
    const waiting = { failures: 0, answers: 0, dueMs: 0, lastMs: nowMs, cancel: () => {}, isRunning: false }
    ofOrigin.set(roomId, waiting)
    this.#plan(roomId, origin, waiting, Math.min(soonMs, this.#deps.config.federation.retry.initialMs), 'all')
  }

  /** Takes over what waits in the database and nobody sees to: another process has ended. */
  async load(): Promise<void> {
    const beforeTs = this.#deps.clock.now() - this.#deps.config.federation.retry.initialMs
    for (const { roomId, origin } of await this.#deps.database.read((conn) => listStagedOrigins(conn, beforeTs)))
      this.add(roomId, origin)
  }

  /** Asks nobody any more, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopListening()
    for (const ofOrigin of this.#byOrigin.values()) for (const { cancel } of ofOrigin.values()) cancel()
    await Promise.all(this.#running)
  }

  #contacted(origin: ServerName): void {
    const { initialMs } = this.#deps.config.federation.retry
    const nowMs = this.#deps.clock.monotonic()
    for (const [roomId, waiting] of this.#byOrigin.get(origin) ?? []) {
      const inMs = Math.max(0, waiting.lastMs + initialMs - nowMs)
      if (!waiting.isRunning && nowMs + inMs < waiting.dueMs) this.#plan(roomId, origin, waiting, inMs, 'origin')
    }
  }

  #plan(roomId: RoomId, origin: ServerName, waiting: Waiting, inMs: number, whom: 'all' | 'origin'): void {
    const { clock } = this.#deps
    waiting.cancel()
    waiting.dueMs = clock.monotonic() + inMs
    waiting.cancel = clock.setTimer(inMs, () => {
      const run = this.#turns
        .run(() => this.#round(roomId, origin, waiting, whom))
        .finally(() => this.#running.delete(run))
      this.#running.add(run)
    })
  }

  async #round(roomId: RoomId, origin: ServerName, waiting: Waiting, whom: 'all' | 'origin'): Promise<void> {
    const { log, clock } = this.#deps
    if (this.#isStopped) return
    waiting.isRunning = true
    waiting.lastMs = clock.monotonic()
    try {
      const servers = (room: Room, events: readonly RoomEvent[]) =>
        whom === 'origin' ? Promise.resolve([origin]) : this.#serversFor(room, origin, events, waiting.failures)
      const { left, isUnanswered } = await judgeStaged(this.#deps, roomId, origin, servers)
      if (left > 0 && whom === 'all' && !isUnanswered) waiting.answers++
      if (left > 0 && waiting.answers >= answersToGiveUp) {
        log.info('events were given up: nobody has what they name', { roomId, events: left })
        await dropStaged(this.#deps, roomId, origin)
      } else if (left > 0) return this.#planAfterFailure(roomId, origin, waiting, whom)
      this.#forget(roomId, origin)
    } catch (error) {
      log.warn('events that wait for others could not be judged', { roomId, error })
      this.#planAfterFailure(roomId, origin, waiting, 'all')
    } finally {
      waiting.isRunning = false
    }
  }

  #planAfterFailure(roomId: RoomId, origin: ServerName, waiting: Waiting, whom: 'all' | 'origin'): void {
    if (this.#isStopped) return
    const { config, random } = this.#deps
    const { initialMs, maxMs } = config.federation.retry
    // contact does not make the waits longer, or shorter
    if (whom === 'all' || waiting.failures === 0) waiting.failures++
    const backoff = { initialMs, maxMs: Math.min(maxMs, hourMs), jitter: 0.1 }
    this.#plan(roomId, origin, waiting, Math.round(backoffMs(backoff, waiting.failures, random)), 'all')
  }

  #forget(roomId: RoomId, origin: ServerName): void {
    const ofOrigin = this.#byOrigin.get(origin)
    if (ofOrigin?.delete(roomId) === true) this.#count--
    if (ofOrigin?.size === 0) this.#byOrigin.delete(origin)
  }

  /** Where they came from, then others: each round begins with another one. */
  async #serversFor(
    room: Room,
    origin: ServerName,
    events: readonly RoomEvent[],
    round: number,
  ): Promise<readonly ServerName[]> {
    const likely = await this.#deps.database.read((conn) => likelyServers(conn, this.#deps, room))
    const others = [...new Set([...events.map(({ sender }) => serverNameOf(sender)), ...likely])].filter(
      (server) => server !== origin && server !== this.#deps.serverName,
    )
    const start = others.length === 0 ? 0 : (round * (serversPerRound - 1)) % others.length
    const turned = [...others.slice(start), ...others.slice(0, start)]
    return [origin, ...turned].slice(0, serversPerRound)
  }
}
