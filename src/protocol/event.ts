import type { EventId, RoomId, UserId } from './ids.ts'
import type { JsonObject } from './json-types.ts'
import type { RoomVersion } from './room-version.ts'

/**
 * A PDU that has been parsed, whose shape has been checked for its room version and whose event id is known.
 * Immutable. The accessors hide the differences of the room versions' event formats.
 */
export interface RoomEvent {
  readonly eventId: EventId
  /** The room; for a create event of room version 12 the id derived from its hash. */
  readonly roomId: RoomId
  readonly version: RoomVersion
  readonly type: string
  /** `undefined` for a message event; the empty string is a state key. */
  readonly stateKey: string | undefined
  readonly sender: UserId
  readonly content: JsonObject
  /** Milliseconds, by the origin's clock. Never used for order. */
  readonly originServerTs: number
  readonly depth: number
  readonly prevEventIds: readonly EventId[]
  /** As written in the event. In version 12 the create event is not among them. */
  readonly authEventIds: readonly EventId[]
  /** The event that this `m.room.redaction` names, from wherever the room version keeps it. */
  readonly redacts: EventId | undefined
  /** The whole PDU as an object: signatures and hashes included, `unsigned` and (from version 3) `event_id` not. */
  readonly pdu: JsonObject
  /** The stored and federated form of `pdu`. Canonical JSON, except in room versions 1–5 where the origin's number spelling is kept. */
  readonly text: string
}
