import type { RoomsDeps } from './deps.ts'
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
}
