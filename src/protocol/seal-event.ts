import { canonicalJson, canonicalMembers, objectOf } from './canonical-json.ts'
import { checkEventFormat } from './event-format.ts'
import { EventRefusal } from './event-refusal.ts'
import type { RoomEvent } from './event.ts'
import { hashToEventId, roomIdOf, sha256Base64 } from './hash.ts'
import type { EventId, ServerName } from './ids.ts'
import type { Json, JsonObject } from './json-types.ts'
import { makeEvent } from './make-event.ts'
import { checkSize, orRefusal, stripForFederation } from './parse-event.ts'
import { essentialOfMembers } from './redact.ts'
import type { RoomVersion } from './room-version.ts'
import { signText, type SigningKey } from './sign.ts'

/**
 * Makes an event of the fields that we chose: adds the content hash and our signature, derives the event id (room
 * versions 1 and 2 need `event_id` among the fields), and checks format and limits as `parseEvent` does.
 * The content of a client may be too large or no Canonical JSON: then the refusal says why.
 */
export function sealEvent(
  version: RoomVersion,
  fields: JsonObject,
  server: ServerName,
  key: SigningKey,
): RoomEvent | EventRefusal {
  const { type, content } = fields
  // Hash and signature have their places from the first, so that each text has the members in their order.
  const pdu: Record<string, Json> = { ...stripForFederation(version, fields), hashes: { sha256: '' }, signatures: {} }
  const reason = checkEventFormat(version, pdu)
  if (reason !== undefined) return new EventRefusal(reason)
  // Each member is written once. What is not ours is in here, so it is here that Canonical JSON is demanded.
  const members = orRefusal(() => canonicalMembers(pdu, version.strictCanonicalJson))
  if (members instanceof EventRefusal) return members

  const hashes = { sha256: sha256Base64(hashedText(members)) }
  members.set('hashes', `"hashes":${canonicalJson(hashes)}`)
  const essential = essentialOfMembers(version, members, { type: type as string, content: content as JsonObject })
  const eventId =
    version.eventIdFormat === 'origin' ? (pdu.event_id as EventId) : hashToEventId(version, sha256Base64(essential))
  const signatures = { [server]: { [key.keyId]: signText(essential, key) } }
  members.set('signatures', `"signatures":${canonicalJson(signatures)}`)
  pdu.hashes = hashes
  pdu.signatures = signatures
  const text = objectOf([...members.values()])
  return checkSize(text) ?? makeEvent(version, eventId, roomIdOf(version, pdu, eventId), pdu, text)
}

/** What the content hash covers. */
function hashedText(members: ReadonlyMap<string, string>): string {
  const hashed: string[] = []
  for (const [name, member] of members) if (name !== 'hashes' && name !== 'signatures') hashed.push(member)
  return objectOf(hashed)
}
