import type { ReadRow } from '../store/read-rows.ts'
import { SecondChance } from '../util/second-chance.ts'

/** A row in memory, with its texts as far as somebody has asked for them; see `fragment`. */
export type KnownRow = ReadRow & { texts?: (string | undefined)[] }

interface Known {
  readonly row: KnownRow
  /** the same, with what was last known of its children */
  marked: KnownRow | undefined
}

/**
 * Rows of events that are in the timeline and whole. Such a row changes no more until it is redacted or pruned, so who
 * takes one from here has asked the database whether it still is whole; the rest of it need not be read again.
 */
export class RowMemory {
  readonly #rows = new SecondChance<number, Known>({
    maxSize: 24_000_000,
    // the stored text, and the one that clients get
    sizeOf: ({ row }) => 500 + 2 * row.json.length,
  })

  /** A row, undefined where it is not in memory. Without `has_children`, which changes. */
  find(nid: number): KnownRow | undefined {
    return this.#rows.get(nid)?.row
  }

  /** As `find`, with `has_children` as the caller has read it. */
  findMarked(nid: number, hasChildren: boolean): KnownRow | undefined {
    const known = this.#rows.get(nid)
    if (known === undefined) return undefined
    if (known.marked?.has_children !== hasChildren) known.marked = { ...known.row, has_children: hasChildren }
    return known.marked
  }

  /**
   * Keeps a row that was read by itself, and gives it a place for its texts. One that may change otherwise is not kept,
   * and what was kept of it before goes.
   */
  put(row: KnownRow): void {
    if (row.ord === null || row.redacted_by !== null || row.pruned_ts !== null) {
      this.delete(row.event_nid)
      return
    }
    row.texts = []
    this.#rows.set(row.event_nid, { row, marked: undefined })
  }

  delete(nid: number): void {
    this.#rows.delete(nid)
  }

  clear(): void {
    this.#rows.clear()
  }
}
