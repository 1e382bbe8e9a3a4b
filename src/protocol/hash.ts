import { hash } from 'node:crypto'
import { decodeBase64, toUrlSafe, unpad } from './base64.ts'
import { canonicalJson } from './canonical-json.ts'
import type { RoomEvent } from './event.ts'
import type { EventId, RoomId } from './ids.ts'
import { isJsonObject } from './json.ts'
import type { JsonObject } from './json-types.ts'
import { essentialJson } from './redact.ts'
import type { RoomVersion } from './room-version.ts'

/** SHA-256 of the UTF-8 form of a text, as unpadded base64. */
export function sha256Base64(text: string): string {
  return unpad(hash('sha256', text, 'base64'))
}

/** SHA-1 of the UTF-8 form of a text, in hexadecimal: state resolution of room version 1 orders events by it. */
export function sha1Hex(text: string): string {
  return hash('sha1', text, 'hex')
}

/**
 * The content hash of a PDU as unpadded base64: over everything but `unsigned`, `signatures`, `hashes` and (from room
 * version 3) `event_id` (server-server API, "Calculating the content hash for an event").
 */
export function contentHash(version: RoomVersion, pdu: JsonObject): string {
  const { unsigned: _unsigned, signatures: _signatures, hashes: _hashes, ...hashed } = pdu
  if (version.eventIdFormat === 'origin') return sha256Base64(canonicalJson(hashed))
  const { event_id: _eventId, ...rest } = hashed
  return sha256Base64(canonicalJson(rest))
}

/**
 * The reference hash of a PDU as unpadded base64 in the standard alphabet (server-server API, "Calculating the
 * reference hash for an event").
 */
export function referenceHash(version: RoomVersion, pdu: JsonObject): string {
  return sha256Base64(essentialJson(version, pdu))
}

/** The event id of a PDU: what its origin named it (room versions 1, 2; must have been checked), else its reference hash. */
export function eventIdOf(version: RoomVersion, pdu: JsonObject): EventId {
  if (version.eventIdFormat === 'origin') return pdu.event_id as EventId
  return hashToEventId(version, referenceHash(version, pdu))
}

/** The event id for a reference hash in unpadded standard base64 (room versions from 3). */
export function hashToEventId(version: RoomVersion, hashBase64: string): EventId {
  return `$${version.eventIdFormat === 'base64' ? hashBase64 : toUrlSafe(hashBase64)}`
}

/** Whether this PDU is a create event whose own hash names the room, so that it has no `room_id` (from version 12). */
export function isRoomless(version: RoomVersion, pdu: JsonObject): boolean {
  return version.roomIdIsCreateHash && pdu.type === 'm.room.create' && pdu.state_key === ''
}

/** The room that a PDU belongs to: its `room_id`, or what the hash of a create event of room version 12 makes it. */
export function roomIdOf(version: RoomVersion, pdu: JsonObject, eventId: EventId): RoomId {
  return isRoomless(version, pdu) ? `!${eventId.slice(1)}` : (pdu.room_id as RoomId)
}

/**
 * Whether an event is as its origin made it: undefined where its content hash is right, else why it is not. Then only
 * the redacted copy may be used (server-server API, "Validating hashes and signatures on received events").
 */
export function checkContentHash(event: RoomEvent): string | undefined {
  const { hashes } = event.pdu
  const claimed = isJsonObject(hashes) ? hashes.sha256 : undefined
  if (typeof claimed !== 'string') return 'no sha256 content hash'
  const actual = contentHash(event.version, event.pdu)
  if (claimed === actual) return undefined
  const claimedBytes = decodeBase64(claimed)
  const actualBytes = decodeBase64(actual)
  if (claimedBytes === undefined || actualBytes === undefined) return 'content hash is not base64'
  return Buffer.compare(claimedBytes, actualBytes) === 0 ? undefined : 'content hash does not match'
}
