import { LRUCache } from 'lru-cache'
import type { HistoryVisibility } from '../protocol/visibility.ts'
import type { StateKeyRow } from '../store/state-keys.ts'
import type { Fragment } from './fragments.ts'

/** What readers of events keep and share: none of it depends on who reads. One per database. */
export class ReadCaches {
  /** Serialised events, by row id and form. */
  readonly fragments = new LRUCache<number, Fragment>({
    max: 60_000,
    maxSize: 40_000_000,
    sizeCalculation: ({ content, tail }) => 300 + content.length + tail.length,
  })
  /** The word of member events, by row id. */
  readonly memberships = new LRUCache<number, string>({ max: 200_000 })
  /** The setting of history visibility events, by row id. */
  readonly visibilities = new LRUCache<number, HistoryVisibility>({ max: 50_000 })
  /** Places of room state, by row id. */
  readonly stateKeys = new LRUCache<number, StateKeyRow>({ max: 100_000 })

  clear(): void {
    this.fragments.clear()
    this.memberships.clear()
    this.visibilities.clear()
  }
}
