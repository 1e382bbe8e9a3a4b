import type { EventId, RoomId } from '../protocol/ids.ts'
import type { RoomVersion } from '../protocol/room-version.ts'
import type { Chain } from './layers.ts'
import type { StateMemo } from './state-memo.ts'

/** A forward extremity: an event that no other event names as its predecessor yet. */
export interface Extremity {
  readonly eventNid: number
  readonly eventId: EventId
  readonly depth: number
  /** State group after it. */
  readonly stateAfter: number
}

/** A room at one revision. Immutable: an append makes the next one. */
export interface Room {
  readonly nid: number
  readonly id: RoomId
  readonly version: RoomVersion
  /** Moves with every write of the room. */
  readonly revision: number
  readonly extremities: readonly Extremity[]
  /** State group of the current state; 0 before the create event. */
  readonly currentGroup: number
  /** The layers of that group. */
  readonly chain: Chain
  readonly nextOrd: number
  readonly nextBackOrd: number
  readonly lastLocalNid: number
  /** How many events notified by default so far, those in threads not counted. */
  readonly notifying: number
  readonly partialState: boolean
  /** Other servers that have a joined member, as row ids. */
  readonly hosts: readonly number[]
  /** Events of the current state that were asked for already. */
  readonly memo: StateMemo
}
