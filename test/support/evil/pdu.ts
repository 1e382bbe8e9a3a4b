import { eventIdOf } from '../../../src/protocol/hash.ts'
import type { EventId, ServerName, UserId } from '../../../src/protocol/ids.ts'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'
import { stripForFederation } from '../../../src/protocol/parse-event.ts'
import type { RoomVersion } from '../../../src/protocol/room-version.ts'
import { signEvent, type SigningKey } from '../../../src/protocol/sign.ts'
import { testKey } from '../engine.ts'

/** The fields of an event before it is hashed and signed; whatever stands in them is taken as it is. */
export type Fields = Readonly<Record<string, Json>>

export function serverOf(userId: string): ServerName {
  return userId.slice(userId.indexOf(':') + 1) as ServerName
}

/** A PDU with the content hash and the signature of its sender's server. Nothing is checked. */
export function seal(version: RoomVersion, fields: Fields, key?: SigningKey, signer?: string): JsonObject {
  const server = signer ?? serverOf(fields['sender'] as UserId)
  return signEvent(version, fields as JsonObject, server, key ?? testKey(server))
}

/** The id of a PDU, however wrong it is; one that nothing has where none can be told. */
export function idOf(version: RoomVersion, pdu: JsonObject): EventId {
  try {
    return eventIdOf(version, stripForFederation(version, pdu))
  } catch {
    return `$${'0'.repeat(43)}`
  }
}
