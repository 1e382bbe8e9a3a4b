import type { ReadRow } from '../store/read-rows.ts'
import type { RoomsDeps } from './deps.ts'
import type { SharedReads } from './shared-reads.ts'
import type { UserStanding } from './standing.ts'

/** What reading events needs. */
export type ReadDeps = Pick<RoomsDeps, 'roomCache' | 'erased' | 'clock'>

/** How events are to be shown. */
export interface ReadOptions {
  /** The reader's standing, where the caller has it already. */
  readonly standing?: UserStanding
  /** `room_id` in each event; left out in `/sync`. */
  readonly roomId?: boolean
  /** Only these properties (`event_fields` of a filter). */
  readonly eventFields?: readonly (readonly string[])[] | undefined
  /** `federation`: the PDU, with `unsigned`. */
  readonly format?: 'client' | 'federation'
  /** The caller knows that the reader may see them. */
  readonly withoutVisibility?: boolean
  /** Without edits, threads and references. */
  readonly withoutBundles?: boolean
  /** Of the bundles only edits: inside bundles, where threads could name each other for ever. */
  readonly onlyEdits?: boolean
  /** Without what was there before a state event, and the reader's membership at each: nobody reads these of a whole state. */
  readonly withoutHistory?: boolean
  /** Where others read in the same snapshot. */
  readonly shared?: SharedReads | undefined
  /** Row ids of users whom the reader ignores: nothing of theirs is bundled. */
  readonly ignored?: ReadonlySet<number> | undefined
}

/** An event as its reader sees it. */
export interface RenderedEvent {
  readonly row: ReadRow
  /** Serialised JSON. */
  readonly text: string
  /** Its content is gone for this reader, by redaction or erasure. */
  readonly isPruned: boolean
}
