import { checkEventFormat } from './event-format.ts'
import { EventRefusal } from './event-refusal.ts'
import type { RoomEvent } from './event.ts'
import { eventIdOf, hashToEventId, roomIdOf, sha256Base64 } from './hash.ts'
import type { ServerName } from './ids.ts'
import type { JsonObject } from './json-types.ts'
import { makeEvent } from './make-event.ts'
import { eventText, stripForFederation } from './parse-event.ts'
import { essentialJson } from './redact.ts'
import type { RoomVersion } from './room-version.ts'
import { addSignature, signText, type SigningKey } from './sign.ts'

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
  const { hashes: _hashes, signatures: _signatures, ...bare } = stripForFederation(version, fields)
  const reason = checkEventFormat(version, { ...bare, hashes: { sha256: '' }, signatures: {} })
  if (reason !== undefined) return new EventRefusal(reason)
  // The text of the content hash is all that is not ours, so it is here that Canonical JSON is demanded.
  const hashedText = eventText(version, bare)
  if (hashedText instanceof EventRefusal) return hashedText
  const hashed: JsonObject = { ...bare, hashes: { sha256: sha256Base64(hashedText) } }
  const essential = essentialJson(version, hashed)
  const eventId =
    version.eventIdFormat === 'origin' ? eventIdOf(version, hashed) : hashToEventId(version, sha256Base64(essential))
  const pdu = addSignature(hashed, server, key.keyId, signText(essential, key))
  const text = eventText(version, pdu)
  return text instanceof EventRefusal ? text : makeEvent(version, eventId, roomIdOf(version, pdu, eventId), pdu, text)
}
