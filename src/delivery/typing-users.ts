import type { UserId } from '../protocol/ids.ts'
import type { Changes } from '../store/changes.ts'
import type { Clock } from '../util/ports.ts'

interface TypingRoom {
  readonly users: Map<UserId, () => void>
  /** when the list last changed */
  serial: number
}

const sweepAbove = 1_000
const keptMs = 600_000

/**
 * Who is typing, in memory of this process alone: nobody misses it after a restart. Each change has a serial, which grows
 * and begins at the time of the start, so that one of before a restart is smaller than all of after it.
 */
export class TypingUsers {
  readonly #clock: Clock
  readonly #changes: Pick<Changes, 'announce'>
  readonly #rooms = new Map<number, TypingRoom>()
  /** The serial of the start: a reader from before it may know of somebody typing who is not known here any more. */
  readonly startedAt: number
  #serial: number

  constructor({ clock, changes }: { readonly clock: Clock; readonly changes: Pick<Changes, 'announce'> }) {
    this.#clock = clock
    this.#changes = changes
    this.startedAt = clock.now()
    this.#serial = this.startedAt
  }

  /** The newest serial. */
  get serial(): number {
    return this.#serial
  }

  /** Somebody is typing, for so long unless told again. Gives whether that is new. */
  begin(roomNid: number, userId: UserId, forMs: number, expired: () => void = () => {}): boolean {
    const room = this.#room(roomNid)
    const cancelBefore = room.users.get(userId)
    cancelBefore?.()
    const cancel = this.#clock.setTimer(forMs, () => {
      if (room.users.get(userId) !== cancel) return
      this.end(roomNid, userId)
      expired()
    })
    room.users.set(userId, cancel)
    if (cancelBefore === undefined) this.#moved(roomNid, room)
    return cancelBefore === undefined
  }

  /** Somebody has stopped. Gives whether they were typing. */
  end(roomNid: number, userId: UserId): boolean {
    const room = this.#rooms.get(roomNid)
    const cancel = room?.users.get(userId)
    if (room === undefined || cancel === undefined) return false
    cancel()
    room.users.delete(userId)
    this.#moved(roomNid, room)
    return true
  }

  /** Who is typing in a room now. */
  list(roomNid: number): UserId[] {
    return [...(this.#rooms.get(roomNid)?.users.keys() ?? [])]
  }

  /** Whether the list of a room changed after a serial. */
  isNews(roomNid: number, serial: number): boolean {
    return (this.#rooms.get(roomNid)?.serial ?? 0) > serial
  }

  /** The rooms whose list changed after a serial. */
  changedSince(serial: number): number[] {
    if (serial >= this.#serial) return []
    return [...this.#rooms].filter(([, room]) => room.serial > serial).map(([nid]) => nid)
  }

  stop(): void {
    for (const { users } of this.#rooms.values()) for (const cancel of users.values()) cancel()
    this.#rooms.clear()
  }

  #room(nid: number): TypingRoom {
    let room = this.#rooms.get(nid)
    if (room === undefined) {
      this.#sweep()
      this.#rooms.set(nid, (room = { users: new Map(), serial: 0 }))
    }
    return room
  }

  #moved(nid: number, room: TypingRoom): void {
    this.#serial = Math.max(this.#clock.now(), this.#serial + 1)
    room.serial = this.#serial
    this.#changes.announce({ roomNids: [nid] })
  }

  #sweep(): void {
    if (this.#rooms.size < sweepAbove) return
    const before = this.#clock.now() - keptMs
    for (const [nid, { users, serial }] of this.#rooms) if (users.size === 0 && serial < before) this.#rooms.delete(nid)
  }
}
