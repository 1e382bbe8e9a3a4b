import { canonicalJson } from '../../../src/protocol/canonical-json.ts'
import type { EventId, UserId } from '../../../src/protocol/ids.ts'
import { parseJsonObject } from '../../../src/protocol/json.ts'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'
import type { RoomVersion } from '../../../src/protocol/room-version.ts'
import type { SigningKey } from '../../../src/protocol/sign.ts'
import { referenceTo, testKey } from '../engine.ts'
import type { DoorKind, Ground, Offered, Rooms } from './doors.ts'
import { idOf, seal, type Fields } from './pdu.ts'
import { them, us } from './stage.ts'

/** What becomes of an offered event. */
export type Outcome = 'stored' | 'pruned' | 'absent' | 'rejected'

/** What a check is made of. */
export interface Case {
  readonly ground: Ground
  readonly kind: DoorKind
  readonly door: string
  readonly rooms: Rooms
  readonly version: RoomVersion
  /** stands in the content of the event */
  readonly marker: string
  /** the key of our own server */
  readonly ourKey: SigningKey
  readonly ourUser: UserId
}

/** One line of RELIABILITY.md: how the event is spoilt, and what has to become of it. Without a PDU it means nothing at the door. */
export interface Check {
  readonly name: string
  readonly make: (given: Case) => Offered | undefined
  readonly expected: Outcome | ((given: Case) => Outcome)
}

const odd = 'org.evil.odd'
const pad = 'org.evil.pad'
const maxEventBytes = 65_536

/** The fields of the event that the door is for, with a marker in its content. */
export function fieldsOf({ ground, marker }: Case, content: JsonObject = {}, more: Fields = {}): Fields {
  const { room, draft } = ground
  const whole = { ...draft.content, 'org.evil.marker': marker, ...content }
  return room.fields({ ...draft, content: whole, more: { ...draft.more, ...more } })
}

/** A PDU as it is offered. */
export function offered(version: RoomVersion, pdu: JsonObject, text = canonicalJson(pdu)): Offered {
  return { text, eventId: idOf(version, pdu) }
}

/** Fields with their hash and signature, as they are offered. */
export function sealed(given: Case, fields: Fields, key?: SigningKey, signer?: string): Offered {
  return offered(given.version, seal(given.version, fields, key, signer))
}

/** The event with a member in its content that is written so. */
function spelled(given: Case, literal: string): Offered {
  const text = canonicalJson(fieldsOf(given, { [odd]: '@' }) as JsonObject).replace('"@"', literal)
  return sealed(given, parseJsonObject(text, { mode: 'spelled' }))
}

/** The event in exactly so many bytes. */
function ofSize(given: Case, bytes: number): Offered {
  const fields = fieldsOf(given)
  const padded = (length: number) => {
    const content = { ...(fields['content'] as JsonObject), [pad]: 'x'.repeat(length) }
    return seal(given.version, { ...fields, content })
  }
  return offered(given.version, padded(bytes - canonicalJson(padded(0)).length))
}

/** The event of a user with an id of so many bytes. */
function ofLongUser(given: Case, bytes: number): Offered | undefined {
  const { ground } = given
  const { sender } = ground.draft
  if (given.kind === 'invite' || sender === undefined || ground.draft.auth !== undefined) return undefined
  const user: UserId = `@${'z'.repeat(bytes - them.length - 2 - given.marker.length)}${given.marker}:${them}`
  const draft = { ...ground.draft, sender: user, stateKey: user }
  return sealed(given, fieldsOf({ ...given, ground: { ...ground, draft } }))
}

const ofType = (given: Case, type: string) =>
  given.kind === 'timeline' ? sealed(given, fieldsOf(given, {}, { type })) : undefined

/** With so many references in all, each of them another one. */
function withReferences(given: Case, name: 'prev_events' | 'auth_events', count: number): Offered {
  const fields = fieldsOf(given)
  const known = fields[name] as readonly Json[]
  const { version } = given
  const made = Array.from({ length: count - known.length }, (_, i): Json => {
    const id: EventId = version.eventIdFormat === 'origin' ? `$${i}:${them}` : `$${String(i).padStart(43, 'n')}`
    return version.eventIdFormat === 'origin' ? [id, { sha256: 'A'.repeat(43) }] : id
  })
  return sealed(given, { ...fields, [name]: [...known, ...made] })
}

const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
const inVersionsTo5 = ({ version }: Case): Outcome => (version.strictCanonicalJson ? 'absent' : 'stored')

/** In the name of a user of ours: whoever does what the door is for. */
function inOurName(given: Case, key: SigningKey): Offered | undefined {
  const { ground, kind, marker, ourUser } = given
  if (kind === 'invite') return sealed(given, fieldsOf(given, {}, { sender: ourUser }), key, us)
  const user: UserId = kind === 'timeline' ? ourUser : `@zed${marker}:${us}`
  if (ground.draft.stateKey !== undefined && ground.draft.sender === undefined) return undefined
  const about = ground.draft.stateKey === undefined ? {} : { stateKey: user }
  const draft = { ...ground.draft, sender: user, ...about }
  return sealed(given, fieldsOf({ ...given, ground: { ...ground, draft } }), key, us)
}

export const checks: readonly Check[] = [
  { name: 'as it should be', make: (given) => sealed(given, fieldsOf(given)), expected: 'stored' },
  {
    name: 'unsigned',
    make: (given) => offered(given.version, { ...seal(given.version, fieldsOf(given)), signatures: {} }),
    expected: 'absent',
  },
  {
    name: 'signed by another server',
    make: (given) => sealed(given, fieldsOf(given), testKey('third.test'), 'third.test'),
    expected: 'absent',
  },
  {
    name: 'signed with another key id',
    make: (given) => sealed(given, fieldsOf(given), { ...testKey(them), keyId: 'ed25519:other' }),
    expected: 'absent',
  },
  {
    name: 'signed with another key under the known id',
    make: (given) => sealed(given, fieldsOf(given), testKey('third.test')),
    expected: 'absent',
  },
  {
    name: 'signed over other bytes',
    make: (given) => offered(given.version, { ...seal(given.version, fieldsOf(given)), origin_server_ts: 1 }),
    expected: 'absent',
  },
  {
    name: 'with a wrong content hash',
    make(given) {
      const pdu = seal(given.version, fieldsOf(given))
      return offered(given.version, { ...pdu, content: { ...(pdu.content as JsonObject), more: 'words' } })
    },
    expected: ({ kind }) => (kind === 'timeline' || kind === 'state' ? 'pruned' : 'absent'),
  },
  {
    name: 'of another room than where it came',
    make: (given) => sealed(given, fieldsOf(given, {}, { room_id: given.rooms.other.id })),
    expected: 'absent',
  },
  {
    name: 'with auth events of another room',
    make(given) {
      if (given.kind === 'invite') return undefined
      const { type, sender = given.ground.room.creator, stateKey, content } = given.ground.draft
      const auth = given.rooms.other.authFor(type, sender, stateKey, content)
      return sealed(given, fieldsOf(given, {}, { auth_events: auth.map((event) => referenceTo(given.version, event)) }))
    },
    expected: 'absent',
  },
  {
    name: 'with previous events of another room',
    make(given) {
      if (given.kind !== 'timeline' && given.kind !== 'handshake') return undefined
      return sealed(given, fieldsOf(given, {}, { prev_events: [referenceTo(given.version, given.rooms.other.newest)] }))
    },
    // there the state before it is asked for, as if the previous event were unknown
    expected: ({ door }) => (door.startsWith('get_missing_events') ? 'stored' : 'absent'),
  },
  {
    name: 'of 65,536 bytes',
    make: (given) => ofSize(given, maxEventBytes),
    expected: 'stored',
  },
  { name: 'of 65,537 bytes', make: (given) => ofSize(given, maxEventBytes + 1), expected: 'absent' },
  { name: 'with a type of 255 bytes', make: (given) => ofType(given, 'é'.repeat(127) + 'x'), expected: 'stored' },
  {
    name: 'with a type of 256 bytes in 128 code points',
    make: (given) => ofType(given, 'é'.repeat(128)),
    expected: 'absent',
  },
  { name: 'by a user of 255 bytes', make: (given) => ofLongUser(given, 255), expected: 'stored' },
  { name: 'by a user of 256 bytes', make: (given) => ofLongUser(given, 256), expected: 'absent' },
  {
    name: 'with a state key of 256 bytes in 128 code points',
    make: (given) => sealed(given, fieldsOf(given, {}, { state_key: 'é'.repeat(128) })),
    expected: 'absent',
  },
  {
    name: 'with 21 previous events',
    make: (given) => withReferences(given, 'prev_events', 21),
    // history may name more
    expected: ({ door }) => (door.startsWith('backfill') ? 'stored' : 'absent'),
  },
  { name: 'with 11 auth events', make: (given) => withReferences(given, 'auth_events', 11), expected: 'absent' },
  { name: 'with a float', make: (given) => spelled(given, '1.5'), expected: inVersionsTo5 },
  { name: 'with 1.0', make: (given) => spelled(given, '1.0'), expected: inVersionsTo5 },
  { name: 'with an exponent', make: (given) => spelled(given, '1e3'), expected: inVersionsTo5 },
  {
    name: 'with -0',
    make(given) {
      const pdu = seal(given.version, fieldsOf(given, { [odd]: 0 }))
      return offered(given.version, pdu, canonicalJson(pdu).replace(`"${odd}":0`, `"${odd}":-0`))
    },
    expected: inVersionsTo5,
  },
  { name: 'with 2^53−1', make: (given) => spelled(given, '9007199254740991'), expected: 'stored' },
  { name: 'with 2^53', make: (given) => spelled(given, '9007199254740992'), expected: inVersionsTo5 },
  { name: 'with −2^53', make: (given) => spelled(given, '-9007199254740992'), expected: inVersionsTo5 },
  {
    name: 'with a key twice',
    make(given) {
      const pdu = seal(given.version, fieldsOf(given, { [odd]: 2 }))
      return offered(given.version, pdu, canonicalJson(pdu).replace(`"${odd}":2`, `"${odd}":1,"${odd}":2`))
    },
    expected: 'absent',
  },
  { name: 'nested 900 deep', make: (given) => spelled(given, deep(900)), expected: 'stored' },
  { name: 'nested 1,100 deep', make: (given) => spelled(given, deep(1100)), expected: 'absent' },
  { name: 'with a lone surrogate', make: (given) => spelled(given, String.raw`"\ud800"`), expected: 'absent' },
  { name: 'with U+0000', make: (given) => spelled(given, String.raw`"a\u0000b"`), expected: 'stored' },
  {
    name: 'a second create event',
    make(given) {
      if (given.version.roomIdIsCreateHash) return undefined
      const content = { ...given.rooms.open.create.content, 'org.evil.marker': given.marker }
      const create = { type: 'm.room.create', state_key: '', sender: given.ground.room.creator, content }
      return sealed(given, { ...fieldsOf(given), ...create, prev_events: [], auth_events: [] })
    },
    expected: 'absent',
  },
  {
    name: 'in our name, signed with another key',
    make: (given) => inOurName(given, { ...testKey('third.test'), keyId: given.ourKey.keyId }),
    expected: 'absent',
  },
  {
    name: 'in our name, signed with our key',
    make: (given) => inOurName(given, given.ourKey),
    expected({ kind, door }) {
      if (kind === 'handshake' || kind === 'invite') return 'absent'
      // nobody of ours was in the room then
      return door.startsWith('backfill') ? 'rejected' : 'stored'
    },
  },
]
