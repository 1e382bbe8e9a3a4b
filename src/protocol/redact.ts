import { canonicalJson, objectOf } from './canonical-json.ts'
import type { RoomEvent } from './event.ts'
import { copyOddities } from './json-oddities.ts'
import { isJsonObject, memberOf } from './json.ts'
import type { JsonObject } from './json-types.ts'
import { makeEvent } from './make-event.ts'
import type { RoomVersion } from './room-version.ts'

const keysV11 = [
  'event_id',
  'type',
  'room_id',
  'sender',
  'state_key',
  'content',
  'hashes',
  'signatures',
  'depth',
  'prev_events',
  'auth_events',
  'origin_server_ts',
] as const
const keysV1 = [...keysV11, 'prev_state', 'origin', 'membership'] as const
const keptV11: ReadonlySet<string> = new Set(keysV11)
const keptV1: ReadonlySet<string> = new Set(keysV1)

const powerKeys = ['ban', 'events', 'events_default', 'kick', 'redact', 'state_default', 'users', 'users_default']
const powerKeysV11 = [...powerKeys, 'invite']

/**
 * The redaction algorithm of the room version ("Redactions"): what is left of a PDU. Its event id, content hash field
 * and signatures stay valid. The given object is not changed; parts of it are shared.
 */
export function redactPdu(version: RoomVersion, pdu: JsonObject): JsonObject {
  const redacted: Record<string, JsonObject[string]> = {}
  for (const key of version.redactionV11 ? keysV11 : keysV1) {
    const value = memberOf(pdu, key)
    if (value !== undefined) redacted[key] = value
  }
  const { type, content } = redacted
  if (content !== undefined) {
    redacted.content = isJsonObject(content)
      ? redactContent(version, typeof type === 'string' ? type : '', content)
      : {}
  }
  copyOddities(pdu, redacted)
  return redacted
}

/** What redaction leaves of the `content` of an event of this type. */
export function redactContent(version: RoomVersion, type: string, content: JsonObject): JsonObject {
  if (type === 'm.room.create' && version.redactionV11) return content
  const kept: Record<string, JsonObject[string]> = {}
  for (const key of keptContentKeys(version, type)) {
    const value = memberOf(content, key)
    if (value !== undefined) kept[key] = value
  }
  if (type === 'm.room.member' && version.redactionV11) {
    const invite = memberOf(content, 'third_party_invite')
    // Without `signed` an empty object stays, as other servers leave it: the event id depends on it.
    if (isJsonObject(invite)) kept.third_party_invite = keepSigned(invite)
  }
  copyOddities(content, kept)
  return kept
}

/** The event as redaction leaves it, under the same id. */
export function pruneEvent(event: RoomEvent): RoomEvent {
  const pdu = redactPdu(event.version, event.pdu)
  return makeEvent(event.version, event.eventId, event.roomId, pdu, canonicalJson(pdu))
}

/**
 * The part of an event that signatures and the reference hash cover, as Canonical JSON: redacted, without
 * `signatures`, `unsigned` and (from room version 3) `event_id`.
 */
export function essentialJson(version: RoomVersion, pdu: JsonObject): string {
  const { signatures: _signatures, ...rest } = redactPdu(version, pdu)
  if (version.eventIdFormat === 'origin') return canonicalJson(rest)
  const { event_id: _eventId, ...essential } = rest
  return canonicalJson(essential)
}

/** As `essentialJson`, of a PDU whose members are written already (`canonicalMembers`), with this type and content. */
export function essentialOfMembers(
  version: RoomVersion,
  members: ReadonlyMap<string, string>,
  { type, content }: { readonly type: string; readonly content: JsonObject },
): string {
  const essential: string[] = []
  for (const [key, member] of members) {
    if (key === 'content') essential.push(`"content":${canonicalJson(redactContent(version, type, content))}`)
    else if (isEssential(version, key)) essential.push(member)
  }
  return objectOf(essential)
}

function isEssential(version: RoomVersion, key: string): boolean {
  if (key === 'signatures' || (key === 'event_id' && version.eventIdFormat !== 'origin')) return false
  return (version.redactionV11 ? keptV11 : keptV1).has(key)
}

function keptContentKeys(version: RoomVersion, type: string): readonly string[] {
  switch (type) {
    case 'm.room.member':
      return version.redactionKeepsAuthoriser ? ['membership', 'join_authorised_via_users_server'] : ['membership']
    case 'm.room.create':
      return ['creator']
    case 'm.room.join_rules':
      return version.restrictedJoins ? ['join_rule', 'allow'] : ['join_rule']
    case 'm.room.power_levels':
      return version.redactionV11 ? powerKeysV11 : powerKeys
    case 'm.room.aliases':
      return version.aliasesAreSpecial ? ['aliases'] : []
    case 'm.room.history_visibility':
      return ['history_visibility']
    case 'm.room.redaction':
      return version.redactsInContent ? ['redacts'] : []
    default:
      return []
  }
}

function keepSigned(invite: JsonObject): JsonObject {
  const signed = memberOf(invite, 'signed')
  return signed === undefined ? {} : { signed }
}
