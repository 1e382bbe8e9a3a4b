import { eventIdOf } from '../protocol/hash.ts'
import { parseEventId, type EventId } from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json } from '../protocol/json-types.ts'
import { stripForFederation } from '../protocol/parse-event.ts'
import { claimedRoom } from './checks/shape.ts'
import type { RoomsDeps } from './deps.ts'

/**
 * The id under which the server that sent a PDU knows it, though the PDU itself is refused, so that the refusal can be
 * told. Undefined where nothing says it: the room is unknown, or the PDU is no object that could be hashed.
 */
export async function claimedEventId(
  deps: Pick<RoomsDeps, 'database' | 'roomCache'>,
  pdu: Json,
): Promise<EventId | undefined> {
  const roomId = claimedRoom(pdu)
  if (roomId === undefined || !isJsonObject(pdu)) return undefined
  const room = await deps.database.read((conn) => deps.roomCache.find(conn, roomId))
  if (room === undefined || room.version.eventIdFormat === 'origin') return parseEventId(memberOf(pdu, 'event_id'))
  try {
    return eventIdOf(room.version, stripForFederation(room.version, pdu))
  } catch {
    return undefined
  }
}
