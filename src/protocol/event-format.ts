import { isRoomless } from './hash.ts'
import { isHashRoomId, maxIdBytes, parseEventId, parseRoomId, parseUserId } from './ids.ts'
import { spellingOf } from './json-oddities.ts'
import { isJsonObject, memberOf } from './json.ts'
import type { Json, JsonObject } from './json-types.ts'
import type { RoomVersion } from './room-version.ts'
import { isWithinBytes } from './text.ts'

const maxPrevEvents = 20
const maxAuthEvents = 10
/** Room versions before 6 allow a depth up to 2^63−1; as a double that is 2^63. */
const maxDepthBefore6 = 2 ** 63

/**
 * Whether a PDU has the event format of its room version ("Event format") and keeps the limits of its fields
 * (client-server API, "Size limits"): undefined where it does, else why not. The size of the whole is checked apart.
 * `isHistory`: it may name any number of events, as some once could (server-server API, `GET /backfill`).
 */
export function checkEventFormat(version: RoomVersion, pdu: JsonObject, isHistory = false): string | undefined {
  return (
    checkKind(pdu) ??
    checkRoomId(version, pdu) ??
    checkEventId(version, pdu) ??
    checkNumbers(version, pdu) ??
    checkReferences(version, pdu.prev_events, 'prev_events', isHistory ? Infinity : maxPrevEvents) ??
    checkReferences(version, pdu.auth_events, 'auth_events', isHistory ? Infinity : maxAuthEvents) ??
    checkHashes(pdu.hashes) ??
    checkSignatures(pdu.signatures)
  )
}

function checkKind(pdu: JsonObject): string | undefined {
  if (typeof pdu.type !== 'string') return 'type is not a string'
  if (!isWithinBytes(pdu.type, maxIdBytes)) return 'type is longer than 255 bytes'
  if (pdu.state_key !== undefined) {
    if (typeof pdu.state_key !== 'string') return 'state_key is not a string'
    if (!isWithinBytes(pdu.state_key, maxIdBytes)) return 'state_key is longer than 255 bytes'
  }
  if (parseUserId(pdu.sender) === undefined) return 'sender is not a user id of at most 255 bytes'
  return isJsonObject(pdu.content) ? undefined : 'content is not an object'
}

function checkRoomId(version: RoomVersion, pdu: JsonObject): string | undefined {
  const { room_id: roomId } = pdu
  if (version.roomIdIsCreateHash) {
    if (isRoomless(version, pdu)) {
      return roomId === undefined ? undefined : 'a create event of this room version has no room_id'
    }
    return typeof roomId === 'string' && isHashRoomId(roomId) ? undefined : 'room_id is not the hash of a create event'
  }
  if (parseRoomId(roomId) === undefined) return 'room_id is not a room id of at most 255 bytes'
  return (roomId as string).includes(':') ? undefined : 'room_id has no server name'
}

function checkEventId(version: RoomVersion, pdu: JsonObject): string | undefined {
  if (version.eventIdFormat !== 'origin') return undefined
  const { event_id: eventId } = pdu
  if (parseEventId(eventId) === undefined) return 'event_id is not an event id of at most 255 bytes'
  return (eventId as string).includes(':') ? undefined : 'event_id has no server name'
}

function checkNumbers(version: RoomVersion, pdu: JsonObject): string | undefined {
  const { depth, origin_server_ts: timestamp } = pdu
  if (!isIntegerMember(pdu, 'origin_server_ts', timestamp)) return 'origin_server_ts is not an integer'
  if (!isIntegerMember(pdu, 'depth', depth)) return 'depth is not an integer'
  const limit = version.strictCanonicalJson ? Number.MAX_SAFE_INTEGER : maxDepthBefore6
  return (depth as number) >= 0 && (depth as number) <= limit ? undefined : 'depth is out of range'
}

/** `1.0` and `1e3` are integers to JavaScript, but were not sent as such. */
function isIntegerMember(pdu: JsonObject, key: string, value: Json | undefined): boolean {
  if (typeof value !== 'number' || !Number.isInteger(value)) return false
  return !/[.eE]/.test(spellingOf(pdu, key, value) ?? '')
}

function checkReferences(
  version: RoomVersion,
  references: Json | undefined,
  name: string,
  limit: number,
): string | undefined {
  if (!Array.isArray(references)) return `${name} is not an array`
  if (references.length > limit) return `${name} has more than ${limit} entries`
  const isRight = version.eventIdFormat === 'origin' ? isReferencePair : isReference
  return references.every(isRight) ? undefined : `${name} has an entry that does not name an event`
}

/** Not judged by the alphabet of hashes: a reference that no event can have is an event that nobody can find. */
function isReference(value: Json): boolean {
  return typeof value === 'string' && value.startsWith('$') && isWithinBytes(value, maxIdBytes) && !value.includes('\0')
}

function isReferencePair(value: Json): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false
  const [id, hashes] = value as [Json, Json]
  return isReference(id) && isJsonObject(hashes)
}

function checkHashes(hashes: Json | undefined): string | undefined {
  if (!isJsonObject(hashes)) return 'hashes is not an object'
  return typeof memberOf(hashes, 'sha256') === 'string' ? undefined : 'hashes has no sha256'
}

function checkSignatures(signatures: Json | undefined): string | undefined {
  if (!isJsonObject(signatures)) return 'signatures is not an object'
  for (const ofServer of Object.values(signatures)) {
    if (!isJsonObject(ofServer)) return 'signatures has an entry that is not an object'
    if (!Object.values(ofServer).every((signature) => typeof signature === 'string')) {
      return 'signatures has an entry that is not a string'
    }
  }
  return undefined
}
