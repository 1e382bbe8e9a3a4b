import { LRUCache } from 'lru-cache'
import type { UserId } from '../protocol/ids.ts'
import type { CompiledPushRules } from '../protocol/push-rules.ts'
import { remember } from '../rooms/caches.ts'
import type { Room } from '../rooms/room.ts'
import type { Conn } from '../store/database.ts'
import { findSummary } from '../store/summaries.ts'
import { listNotifiedMembers } from '../store/unread.ts'
import { isMuted } from './muted.ts'
import type { OwnRules } from './own-rules.ts'

/** One of our own users in a room. */
export interface Listener {
  readonly userNid: number
  readonly userId: UserId
  /** the name in the room */
  readonly displayName: string | undefined
}

/** One whose push rules are not the predefined ones. */
export interface RuledListener extends Listener {
  readonly rules: CompiledPushRules
  /** the rules keep quiet about ordinary messages of the room */
  readonly isMuted: boolean
}

/** Our own users in a room at one state of it. */
export interface Audience {
  readonly listeners: ReadonlyMap<string, Listener>
  readonly ruled: readonly RuledListener[]
  /** joined members, those of other servers too */
  readonly memberCount: number
}

interface Kept extends Audience {
  readonly group: number
  readonly rulesVersion: number
  readonly isEncrypted: boolean
}

/** Who of our own users is to be asked about events of a room; kept until the room's state or the rules change. */
export class Audiences {
  readonly #ownRules: OwnRules
  readonly #kept = new LRUCache<number, Kept>({
    maxSize: 500_000,
    sizeCalculation: ({ listeners }) => 10 + listeners.size,
  })

  constructor(ownRules: OwnRules) {
    this.#ownRules = ownRules
  }

  async of(conn: Conn, room: Room): Promise<Audience> {
    const known = this.#kept.get(room.nid)
    const isSame = known !== undefined && known.group === room.currentGroup
    if (isSame && known.rulesVersion === this.#ownRules.version) return known
    const people = isSame ? known : await this.#read(conn, room)
    const { version } = this.#ownRules
    const made: Kept = { ...people, rulesVersion: version, ruled: await this.#ruled(conn, room, people) }
    remember(conn, () => this.#kept.set(room.nid, made))
    return made
  }

  async #read(conn: Conn, room: Room): Promise<Omit<Kept, 'rulesVersion' | 'ruled'>> {
    const rows = await listNotifiedMembers(conn, room.nid)
    const summary = await findSummary(conn, room.nid)
    const listeners = rows.map((row): Listener => ({
      userNid: row.user_nid,
      userId: row.user_id as UserId,
      displayName: row.display_name ?? undefined,
    }))
    return {
      group: room.currentGroup,
      listeners: new Map(listeners.map((listener) => [listener.userId, listener])),
      memberCount: summary?.joined_count ?? listeners.length,
      isEncrypted: summary?.encryption != null,
    }
  }

  async #ruled(conn: Conn, room: Room, people: Omit<Kept, 'rulesVersion' | 'ruled'>): Promise<RuledListener[]> {
    const { listeners, memberCount, isEncrypted } = people
    const rules = await this.#ownRules.of(conn, [...listeners.values()])
    if (rules.size === 0) return []
    const made: RuledListener[] = []
    for (const listener of listeners.values()) {
      const own = rules.get(listener.userNid)
      if (own !== undefined)
        made.push({ ...listener, rules: own, isMuted: isMuted(own, { id: room.id, isEncrypted, memberCount }) })
    }
    return made
  }
}
