import { canonicalEventJson } from './canonical-json.ts'
import { MatrixError } from './errors.ts'
import { checkEventFormat } from './event-format.ts'
import { EventRefusal } from './event-refusal.ts'
import type { RoomEvent } from './event.ts'
import { eventIdOf, roomIdOf } from './hash.ts'
import type { EventId, RoomId } from './ids.ts'
import { parseJsonObject } from './json.ts'
import type { JsonObject } from './json-types.ts'
import { makeEvent } from './make-event.ts'
import type { RoomVersion } from './room-version.ts'
import { isWithinBytes } from './text.ts'

/** The largest event, in bytes of canonical JSON, signatures included (client-server API, "Size limits"). */
export const maxEventBytes = 65_536

/**
 * Makes an event of a PDU from outside, or tells why it is none: event format, limits and canonical JSON of the room
 * version (server-server API, "Checks performed on receipt of a PDU", 1). Signatures and hashes are not verified.
 * The PDU must have been parsed in mode `strict` or `spelled`. `isHistory`: see `checkEventFormat`.
 */
export function parseEvent(version: RoomVersion, received: JsonObject, isHistory = false): RoomEvent | EventRefusal {
  const pdu = stripForFederation(version, received)
  const reason = checkEventFormat(version, pdu, isHistory)
  if (reason !== undefined) return new EventRefusal(reason)
  const text = eventText(version, pdu)
  if (text instanceof EventRefusal) return text
  const eventId = eventIdOf(version, pdu)
  return makeEvent(version, eventId, roomIdOf(version, pdu, eventId), pdu, text)
}

/** The canonical text of a PDU, or why it has none: too large, or what Canonical JSON does not allow. */
function eventText(version: RoomVersion, pdu: JsonObject): string | EventRefusal {
  const text = orRefusal(() => canonicalEventJson(pdu, version.strictCanonicalJson))
  return typeof text === 'string' ? (checkSize(text) ?? text) : text
}

/** What `make` makes; the refusal where it throws that the event would be none. */
export function orRefusal<T>(make: () => T): T | EventRefusal {
  try {
    return make()
  } catch (error) {
    if (error instanceof MatrixError) return new EventRefusal(error.message)
    throw error
  }
}

/** Why the event of this canonical text is too large, undefined where it is not. */
export function checkSize(text: string): EventRefusal | undefined {
  if (isWithinBytes(text, maxEventBytes)) return undefined
  return new EventRefusal('event is larger than 65536 bytes', 'M_TOO_LARGE')
}

/** Makes an event of a row of our store, whose text came from `RoomEvent.text` and is trusted. */
export function eventFromStored(version: RoomVersion, eventId: EventId, roomId: RoomId, text: string): RoomEvent {
  const pdu = version.strictCanonicalJson
    ? (JSON.parse(text) as JsonObject)
    : parseJsonObject(text, { mode: 'spelled' })
  return makeEvent(version, eventId, roomId, pdu, text)
}

/** A PDU without what does not travel with it: `unsigned`, and from room version 3 `event_id`. */
export function stripForFederation(version: RoomVersion, pdu: JsonObject): JsonObject {
  let stripped = pdu
  if (Object.hasOwn(stripped, 'unsigned')) {
    const { unsigned: _unsigned, ...rest } = stripped
    stripped = rest
  }
  if (version.eventIdFormat !== 'origin' && Object.hasOwn(stripped, 'event_id')) {
    const { event_id: _eventId, ...rest } = stripped
    stripped = rest
  }
  return stripped
}
