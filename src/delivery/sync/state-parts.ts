import { LRUCache } from 'lru-cache'
import type { RoomCache } from '../../rooms/room-cache.ts'
import { stateGroupMap } from '../../rooms/state.ts'
import type { Conn } from '../../store/database.ts'
import { listStateKeys } from '../../store/state-keys.ts'
import { listUsers } from '../../store/users.ts'
import { lru } from '../../util/lru.ts'

/** What lazy loading asks of states again and again: which places are members', and the states without them. */
export class StateParts {
  readonly #roomCache: RoomCache
  readonly #isMember = lru<number, boolean>(200_000)
  readonly #memberKeys = lru<number, number>(50_000)
  readonly #withoutMembers = new LRUCache<number, ReadonlyMap<number, number>>({
    maxSize: 200_000,
    sizeCalculation: ({ size }) => 10 + size,
  })

  constructor(roomCache: RoomCache) {
    this.#roomCache = roomCache
  }

  /** The state of a group but its members: event by place, as row ids. Not to be changed. */
  async withoutMembers(conn: Conn, group: number): Promise<ReadonlyMap<number, number>> {
    const known = this.#withoutMembers.get(group)
    if (known !== undefined) return known
    const map = await stateGroupMap({ roomCache: this.#roomCache }, conn, group)
    const members = await this.membersAmong(conn, map.keys())
    const made = new Map([...map].filter(([keyNid]) => !members.has(keyNid)))
    this.#withoutMembers.set(group, made)
    return made
  }

  /** Those of the places that are members'. */
  async membersAmong(conn: Conn, keyNids: Iterable<number>): Promise<Set<number>> {
    const members = new Set<number>()
    const missing: number[] = []
    for (const nid of keyNids) {
      const known = this.#isMember.get(nid)
      if (known === undefined) missing.push(nid)
      else if (known) members.add(nid)
    }
    for (const [nid, { type }] of await listStateKeys(conn, missing)) {
      const isMember = type === 'm.room.member'
      this.#isMember.set(nid, isMember)
      if (isMember) members.add(nid)
    }
    return members
  }

  /** The places of users' member events, by row id of the user; users who have none in any room are missing. */
  async memberKeys(conn: Conn, userNids: Iterable<number>): Promise<Map<number, number>> {
    const found = new Map<number, number>()
    const missing: number[] = []
    for (const nid of new Set(userNids)) {
      const known = this.#memberKeys.get(nid)
      if (known === undefined) missing.push(nid)
      else found.set(nid, known)
    }
    if (missing.length === 0) return found
    for (const [nid, { userId }] of await listUsers(conn, missing)) {
      const keyNid = await this.#roomCache.stateKeyNid(conn, { type: 'm.room.member', stateKey: userId })
      if (keyNid === undefined) continue
      this.#memberKeys.set(nid, keyNid)
      found.set(nid, keyNid)
    }
    return found
  }
}
