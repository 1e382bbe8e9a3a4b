import type { RoomEvent } from './event.ts'
import type { EventId, RoomId, UserId } from './ids.ts'
import { isJsonObject } from './json.ts'
import type { Json, JsonObject } from './json-types.ts'
import type { RoomVersion } from './room-version.ts'

/**
 * Puts an event together from a PDU that has already been checked. `text` is its canonical form (see `RoomEvent`).
 * What comes from outside goes through `parseEvent` instead.
 */
export function makeEvent(
  version: RoomVersion,
  eventId: EventId,
  roomId: RoomId,
  pdu: JsonObject,
  text: string,
): RoomEvent {
  const content = isJsonObject(pdu.content) ? pdu.content : {}
  return {
    eventId,
    roomId,
    version,
    type: pdu.type as string,
    stateKey: pdu.state_key as string | undefined,
    sender: pdu.sender as UserId,
    content,
    originServerTs: pdu.origin_server_ts as number,
    depth: pdu.depth as number,
    prevEventIds: eventIds(pdu.prev_events),
    authEventIds: eventIds(pdu.auth_events),
    redacts: redactedId(version, pdu, content),
    pdu,
    text,
  }
}

/** Plain ids from version 3; pairs of an id and its hashes before. */
function eventIds(references: Json | undefined): EventId[] {
  if (!Array.isArray(references)) return []
  return references.map((reference: Json) => (Array.isArray(reference) ? reference[0] : reference) as EventId)
}

function redactedId(version: RoomVersion, pdu: JsonObject, content: JsonObject): EventId | undefined {
  if (pdu.type !== 'm.room.redaction') return undefined
  const redacts = version.redactsInContent ? content.redacts : pdu.redacts
  return typeof redacts === 'string' && redacts.startsWith('$') ? (redacts as EventId) : undefined
}
