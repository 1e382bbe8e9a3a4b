import { createHash } from 'node:crypto'
import { canonicalLiteral, factsOf, memberOf, only, textOf, without, type Lit, type LitObject } from './literal-json.ts'

/**
 * What has to become of a PDU: stored whole, stored redacted, stored and rejected, or not stored at all. `either`: whole
 * or refused, where two readings are right.
 */
export type Expected = 'whole' | 'pruned' | 'rejected' | 'refused' | 'either'

const keptV11 = [
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
]
const keptBefore = [...keptV11, 'prev_state', 'origin', 'membership']
const levels = ['ban', 'events', 'events_default', 'kick', 'redact', 'state_default', 'users', 'users_default']
const mostBytes = 65_536
const mostDepth = 1000

/** What redaction leaves of an event ("Redactions" of the room versions), for the types that mutants have. */
export function redactedLiteral(version: number, pdu: LitObject): LitObject {
  const kept = only(pdu, version >= 11 ? keptV11 : keptBefore)
  const type = textOf(memberOf(pdu, 'type'))
  return {
    kind: 'object',
    entries: kept.entries.map(([key, value]) =>
      key === 'content' ? [key, redactedContent(version, type, value)] : [key, value],
    ),
  }
}

function redactedContent(version: number, type: string | undefined, content: Lit): Lit {
  if (content.kind !== 'object') return content
  if (type === 'm.room.redaction' && version >= 11) return only(content, ['redacts'])
  if (type === 'm.room.create') return version >= 11 ? content : only(content, ['creator'])
  if (type === 'm.room.power_levels') return only(content, [...levels, ...(version >= 11 ? ['invite'] : [])])
  if (type === 'm.room.member')
    return only(content, ['membership', ...(version >= 9 ? ['join_authorised_via_users_server'] : [])])
  return only(content, [])
}

/** The PDU without what does not travel with it. */
export function travelling(version: number, pdu: LitObject): LitObject {
  return without(pdu, 'unsigned', ...(version >= 3 ? ['event_id'] : []))
}

/** What signatures and the event id cover. */
function signedPart(version: number, pdu: LitObject): string {
  return canonicalLiteral(without(redactedLiteral(version, travelling(version, pdu)), 'signatures'))
}

function hashedPart(version: number, pdu: LitObject): string {
  return canonicalLiteral(without(travelling(version, pdu), 'signatures', 'hashes'))
}

/** The id of an event, by the letter ("Event IDs" of the room versions). */
export function literalId(version: number, pdu: LitObject): string {
  if (version < 3) return textOf(memberOf(pdu, 'event_id')) ?? ''
  const hash = createHash('sha256').update(signedPart(version, pdu)).digest()
  return `$${version === 3 ? hash.toString('base64').replaceAll('=', '') : hash.toString('base64url')}`
}

/** Whether no room of this version can have such an event, whoever signed it. */
export function isImpossible(version: number, pdu: LitObject): boolean {
  const sent = travelling(version, pdu)
  const { isTwice, isFraction, isLone, depth } = factsOf(sent)
  if (new Set(pdu.entries.map(([key]) => key)).size < pdu.entries.length) return true
  if (isTwice || isLone || depth > mostDepth || (isFraction && version >= 6)) return true
  if (memberOf(sent, 'content')?.kind !== 'object') return true
  return Buffer.byteLength(canonicalLiteral(sent)) > mostBytes
}

/** What has to become of a PDU that was changed after it was signed as `base`, which would be accepted. */
export function expectChanged(version: number, base: LitObject, changed: LitObject, server: string): Expected {
  if (isImpossible(version, changed)) return 'refused'
  const signature = signatureVerdict(base, changed, server)
  if (signature === 'refused' || signedPart(version, base) !== signedPart(version, changed)) return 'refused'
  if (hashedPart(version, base) !== hashedPart(version, changed)) return signature === 'either' ? 'either' : 'pruned'
  return signature
}

/** Whether the signature of the sender's server is still there, among whatever else. */
function signatureVerdict(base: LitObject, changed: LitObject, server: string): 'whole' | 'refused' | 'either' {
  const all = memberOf(changed, 'signatures')
  if (all?.kind !== 'object') return 'refused'
  for (const [, ofServer] of all.entries) {
    if (ofServer.kind !== 'object') return 'refused'
    if (ofServer.entries.some(([, value]) => value.kind !== 'string')) return 'refused'
  }
  const [[keyId, right] = ['', undefined]] = (memberOf(memberOf(base, 'signatures'), server) as LitObject).entries
  const [before, after] = [textOf(right) ?? '', textOf(memberOf(memberOf(all, server), keyId))]
  if (after === undefined) return 'refused'
  if (before === after) return 'whole'
  // the last letter of base64 holds bits that mean nothing, and some letters are read as others
  return Buffer.from(before, 'base64').equals(Buffer.from(after, 'base64')) ? 'either' : 'refused'
}
