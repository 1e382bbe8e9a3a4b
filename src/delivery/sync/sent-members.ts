import { LRUCache } from 'lru-cache'

const mostDevices = 5_000
const roomsOfDevice = 400
const membersOfRoom = 2_000

/** Member events that a device has been sent of a room: event by place in the state, as row ids. */
export type SentInRoom = Map<number, number>

/** What one device has been sent, up to one token. */
export class SentToDevice {
  /** the token that went with it: a request with another one may come from a client that never got the answer */
  next = ''
  readonly #rooms = new Map<number, SentInRoom>()

  /** Of one room; what is added to it stays. */
  of(roomNid: number): SentInRoom {
    const known = this.#rooms.get(roomNid)
    if (known !== undefined && known.size <= membersOfRoom) return known
    for (const oldest of this.#rooms.keys()) {
      if (this.#rooms.size < roomsOfDevice) break
      this.#rooms.delete(oldest)
    }
    const made: SentInRoom = new Map()
    this.#rooms.set(roomNid, made)
    return made
  }
}

/** Which member events each device has been sent, so that lazy loading need not repeat them. Only memory: forgetting is harmless. */
export class SentMembers {
  readonly #devices = new LRUCache<string, SentToDevice>({ max: mostDevices })

  /** What a device that comes with this token has; nothing unless the token is the one that it was given last. */
  of(userNid: number, deviceId: string | undefined, since: string | undefined): SentToDevice {
    const key = `${userNid} ${deviceId ?? ''}`
    const known = this.#devices.get(key)
    if (known !== undefined && since !== undefined && known.next === since) return known
    const made = new SentToDevice()
    this.#devices.set(key, made)
    return made
  }
}
