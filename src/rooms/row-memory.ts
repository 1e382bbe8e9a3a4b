import { LRUCache } from 'lru-cache'
import type { ReadRow } from '../store/read-rows.ts'

interface Known {
  readonly row: ReadRow
  /** the same where nothing relates to it */
  childless: ReadRow | undefined
}

/**
 * Rows of events that are in the timeline and whole. Such a row changes no more until it is redacted or pruned, so who
 * takes one from here has asked the database whether it still is whole; the rest of it need not be read again.
 */
export class RowMemory {
  readonly #rows = new LRUCache<number, Known>({
    maxSize: 16_000_000,
    sizeCalculation: ({ row }) => 400 + row.json.length,
  })

  /** A row, undefined where it is not in memory. Without `has_children`, which changes. */
  find(nid: number): ReadRow | undefined {
    return this.#rows.get(nid)?.row
  }

  /** As `find`, of an event that nothing relates to. */
  findChildless(nid: number): ReadRow | undefined {
    const known = this.#rows.get(nid)
    return known && (known.childless ??= { ...known.row, has_children: false })
  }

  /** Keeps a row that was read by itself; one that may change otherwise is not kept. */
  put(row: ReadRow): void {
    if (row.ord !== null && row.redacted_by === null && row.pruned_ts === null)
      this.#rows.set(row.event_nid, { row, childless: undefined })
  }

  delete(nid: number): void {
    this.#rows.delete(nid)
  }

  clear(): void {
    this.#rows.clear()
  }
}
