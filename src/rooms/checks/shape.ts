import { isRefusal } from '../../protocol/event-refusal.ts'
import type { RoomEvent } from '../../protocol/event.ts'
import type { RoomId } from '../../protocol/ids.ts'
import { parseRoomId } from '../../protocol/ids.ts'
import { isJsonObject, memberOf } from '../../protocol/json.ts'
import type { Json } from '../../protocol/json-types.ts'
import { parseEvent } from '../../protocol/parse-event.ts'
import type { RoomVersion } from '../../protocol/room-version.ts'

/** The room that a PDU says it is of; undefined for create events of room version 12, and for nonsense. */
export function claimedRoom(pdu: Json): RoomId | undefined {
  return isJsonObject(pdu) ? parseRoomId(memberOf(pdu, 'room_id')) : undefined
}

/**
 * Check 1 on receipt of a PDU: a valid event of the room's version, and of the room expected. A string says why it is
 * none. `isHistory`: it came by `/backfill`, and may name any number of events.
 */
export function checkShape(version: RoomVersion, roomId: RoomId, pdu: Json, isHistory = false): RoomEvent | string {
  if (!isJsonObject(pdu)) return 'not an object'
  const event = parseEvent(version, pdu, isHistory)
  if (isRefusal(event)) return event.reason
  return event.roomId === roomId ? event : 'of another room'
}
