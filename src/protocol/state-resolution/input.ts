import type { RoomEvent } from '../event.ts'
import type { RoomVersion } from '../room-version.ts'
import type { AuthEdges } from './auth-graph.ts'
import type { StateMap } from './split.ts'

/** Everything that resolution reads. All of it is loaded beforehand: resolution does not wait. */
export interface ResolutionInput {
  readonly version: RoomVersion
  /** The states to resolve, at least one. */
  readonly sets: readonly StateMap[]
  /** The room's create event. */
  readonly create: RoomEvent
  /** The auth events of an event. */
  readonly authEdges: AuthEdges
  /** The row id of an event's (type, state key) pair. */
  readonly keyOf: (eventNid: number) => number
  /** The row id of a (type, state key) pair; undefined for one that was never stored. */
  readonly keyNid: (type: string, stateKey: string) => number | undefined
  /** A loaded event. Asked for those that `eventsToLoad` and `stateToLoad` name. */
  readonly event: (eventNid: number) => RoomEvent
  /** Was the event rejected when it was received? Such an event does not stand in for missing state. */
  readonly isRejected: (eventNid: number) => boolean
}
