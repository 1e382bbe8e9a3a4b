import { LRUCache } from 'lru-cache'
import type { RoomEvent } from '../protocol/event.ts'
import type { EventId, UserId } from '../protocol/ids.ts'
import type { Conn, Tx } from '../store/database.ts'
import type { Layer } from './layer.ts'
import { RowMemory } from './row-memory.ts'
import { lru } from '../util/lru.ts'
import { SecondChance } from '../util/second-chance.ts'

/** Auth edges of a stored event, for state resolution. */
export interface AuthNode {
  readonly stateKeyNid: number | null
  readonly edges: Float64Array
  readonly isRejected: boolean
}

/** What never changes once it is committed, kept in memory by row id. One per database. */
export class Caches {
  readonly events = new LRUCache<number, RoomEvent>({
    maxSize: 24_000_000,
    sizeCalculation: ({ text }) => 600 + text.length,
  })
  /** What events look like to clients, serialised, without their end; see `fragment`. */
  readonly fragments = new LRUCache<number | string, string>({
    maxSize: 24_000_000,
    sizeCalculation: (text) => text.length + 100,
  })
  readonly rows = new RowMemory()
  readonly layers = new LRUCache<number, Layer>({
    maxSize: 2_000_000,
    sizeCalculation: ({ delta }) => 20 + delta.keys.length,
  })
  readonly maps = new LRUCache<number, ReadonlyMap<number, number>>({
    maxSize: 400_000,
    sizeCalculation: ({ size }) => 10 + size,
  })
  readonly stateKeys = lru<string, number>(50_000)
  readonly users = lru<UserId, number>(50_000)
  readonly servers = lru<string, number>(20_000)
  /** User ids as JSON, by row id. */
  readonly senders = new SecondChance<number, string>({ maxSize: 50_000, sizeOf: () => 1 })
  readonly auth = lru<number, AuthNode>(200_000)
  readonly resolutions = new LRUCache<string, ReadonlyMap<number, number>>({
    maxSize: 400_000,
    sizeCalculation: ({ size }) => 10 + size,
  })
  /** Ids of events that were dropped or judged, so that the same one is not judged again at once. */
  readonly refused = lru<EventId, string>(5_000)

  /** Forgets what was kept of an event: its text is another one now. */
  forgetEvent(nid: number): void {
    this.events.delete(nid)
    this.rows.delete(nid)
    for (const key of wholeFragments(nid)) this.fragments.delete(key)
  }

  /** Forgets the text of all events. */
  forgetEvents(): void {
    this.events.clear()
    this.rows.clear()
    this.fragments.clear()
  }
}

/** Under which keys the texts of an event that is whole are kept; see `fragment`. */
export function wholeFragments(nid: number): readonly [number, number, number, number] {
  const first = nid * 4
  return [first, first + 1, first + 2, first + 3]
}

/** Whether a connection is inside a write. */
export function isTx(conn: Conn): conn is Tx {
  return 'writes' in conn
}

/**
 * Keeps something that was read: at once, or inside a write only when that is committed, because row ids of a write
 * that was rolled back are given again.
 */
export function remember(conn: Conn, keep: () => void): void {
  if (isTx(conn)) conn.onCommit(keep)
  else keep()
}
