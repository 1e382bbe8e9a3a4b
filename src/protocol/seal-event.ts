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

/** An event of ours as it will be, but for our signature: neither its id nor a rule of authorization looks at that. */
export interface UnsignedEvent {
  /** Another text stands where its signature will be. */
  readonly event: RoomEvent
  /** What is to be signed: its redacted form (server-server API, "Signing Events"). */
  readonly toSign: string
  /** The event with this signature of ours (unpadded base64 of 64 bytes). */
  signed(signature: string): RoomEvent
}

/** Stands for a signature: as long as every one. */
const unmade = 'A'.repeat(86)

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
  const made = prepareEvent(version, fields, server, key)
  return made instanceof EventRefusal ? made : made.signed(signText(made.toSign, key))
}

/** As `sealEvent`, but that our signature is made by the caller, perhaps for several events together. */
export function prepareEvent(
  version: RoomVersion,
  fields: JsonObject,
  server: ServerName,
  key: Pick<SigningKey, 'keyId'>,
): UnsignedEvent | EventRefusal {
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
  const toSign = essentialOfMembers(version, members, { type: type as string, content: content as JsonObject })
  const eventId =
    version.eventIdFormat === 'origin' ? (pdu.event_id as EventId) : hashToEventId(version, sha256Base64(toSign))
  pdu.hashes = hashes
  const signatures = `"signatures":${canonicalJson({ [server]: { [key.keyId]: unmade } })}`
  members.set('signatures', signatures)
  const text = objectOf([...members.values()])
  const refusal = checkSize(text)
  if (refusal !== undefined) return refusal
  const event = makeEvent(version, eventId, roomIdOf(version, pdu, eventId), pdu, text)
  return {
    event,
    toSign,
    signed(signature) {
      pdu.signatures = { [server]: { [key.keyId]: signature } }
      const end = 1 + lengthUpTo(members, 'signatures') - '"}}'.length
      return { ...event, text: text.slice(0, end - unmade.length) + signature + text.slice(end) }
    },
  }
}

/** How long the members up to this one are in a text that holds them all, with the commas between them. */
function lengthUpTo(members: ReadonlyMap<string, string>, last: string): number {
  let length = 0
  for (const [name, member] of members) {
    length += member.length
    if (name === last) break
    length += ','.length
  }
  return length
}

/** What the content hash covers. */
function hashedText(members: ReadonlyMap<string, string>): string {
  const hashed: string[] = []
  for (const [name, member] of members) if (name !== 'hashes' && name !== 'signatures') hashed.push(member)
  return objectOf(hashed)
}
