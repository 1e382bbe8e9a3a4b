import type { EventId, UserId } from '../../../src/protocol/ids.ts'
import { canonicalJson } from '../../../src/protocol/canonical-json.ts'
import { parseJsonObject } from '../../../src/protocol/json.ts'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'
import { cosignEvent } from '../../../src/protocol/sign.ts'
import { testKey } from '../engine.ts'
import { fieldsOf, offered, sealed, type Case, type Check } from './checks.ts'
import type { Offered } from './doors.ts'
import { seal, type Fields } from './pdu.ts'
import { them } from './stage.ts'

/** An honest event with other fields, hashed and signed with them, that no door may store. */
function shaped(name: string, more: (given: Case) => Fields | undefined): Check {
  return {
    name,
    make(given) {
      const fields = more(given)
      return fields && sealed(given, { ...fieldsOf(given), ...fields }, testKey(them), them)
    },
    expected: 'absent',
  }
}

const isNamedByOrigin = ({ version }: Case) => version.eventIdFormat === 'origin'

/** What the event names already, with another reference behind it. */
function andReference(given: Case, name: 'prev_events' | 'auth_events', id: Json): Fields {
  const named = fieldsOf(given)[name] as readonly Json[]
  return { [name]: [...named, isNamedByOrigin(given) ? [id, { sha256: 'A'.repeat(43) }] : id] }
}

const longId: EventId = `$${'i'.repeat(255 - them.length)}:${them}`

/** Doors where another event has to name this one, which it could not under any id. */
const isNamedByOthers = ({ door }: Case) => !/^\/send|^state answered|^send_join answered|v[12]$/.test(door)

/** With a depth that is written so. */
function withDepth(given: Case, literal: string): Offered {
  const text = canonicalJson({ ...fieldsOf(given), depth: '@' } as JsonObject).replace(
    '"depth":"@"',
    `"depth":${literal}`,
  )
  return sealed(given, parseJsonObject(text, { mode: 'spelled' }))
}

/** The event format and the limits of its fields, one after the other (RELIABILITY.md, "Limits"). */
export const shapeChecks: readonly Check[] = [
  shaped('with a type that is a number', () => ({ type: 5 })),
  shaped('with a state key that is a number', () => ({ state_key: 5 })),
  shaped('with a content that is a list', () => ({ content: [] })),
  shaped('with a time that is a text', () => ({ origin_server_ts: '5' })),
  shaped('with a depth below zero', () => ({ depth: -1 })),
  { name: 'with a depth of 1.0', make: (given) => withDepth(given, '1.0'), expected: 'absent' },
  { name: 'with a depth of 2^64', make: (given) => withDepth(given, '18446744073709551616'), expected: 'absent' },
  shaped('with previous events that are no list', () => ({ prev_events: 'x' })),
  shaped('with a previous event that is a number', (given) => ({
    prev_events: [...(fieldsOf(given)['prev_events'] as Json[]), 5],
  })),
  shaped('with a previous event of 256 bytes', (given) => andReference(given, 'prev_events', longId)),
  shaped('without previous events', ({ kind }) => (kind === 'timeline' ? { prev_events: [] } : undefined)),
  {
    ...shaped('with 11 auth events that are known', (given) => {
      const [first] = fieldsOf(given)['auth_events'] as readonly Json[]
      return first === undefined ? undefined : { auth_events: Array.from({ length: 11 }, () => first) }
    }),
    // history may name more, but none twice
    expected: ({ door }) => (door.startsWith('backfill') ? 'rejected' : 'absent'),
  },
  shaped('of a stranger of 256 bytes', ({ kind }) => {
    const sender: UserId = `@${'z'.repeat(254 - them.length)}:${them}`
    return kind === 'timeline' || kind === 'invite' ? { sender } : undefined
  }),
  shaped('with an event id of 256 bytes', (given) =>
    isNamedByOrigin(given) && !isNamedByOthers(given) ? { event_id: longId } : undefined,
  ),
  shaped('with an id that names no server', (given) =>
    isNamedByOrigin(given) && !isNamedByOthers(given) ? { event_id: `$${given.marker.padEnd(43, 'x')}` } : undefined,
  ),
  shaped('with an id that another server gave', (given) =>
    isNamedByOrigin(given) ? { event_id: `$${given.marker}:third.test` } : undefined,
  ),
  {
    name: 'without a content hash',
    make(given) {
      const { signatures: _signatures, ...pdu } = seal(given.version, fieldsOf(given))
      return offered(given.version, cosignEvent(given.version, { ...pdu, hashes: {} }, them, testKey(them)))
    },
    expected: 'absent',
  },
  {
    name: 'with a signature that is a number',
    make(given) {
      const pdu = seal(given.version, fieldsOf(given))
      const signatures = { ...(pdu.signatures as JsonObject), 'third.test': { 'ed25519:1': 5 } }
      return offered(given.version, { ...pdu, signatures })
    },
    expected: 'absent',
  },
  {
    name: 'with signatures that are a text',
    make(given) {
      const pdu = seal(given.version, fieldsOf(given))
      return offered(given.version, { ...pdu, signatures: { ...(pdu.signatures as JsonObject), 'third.test': 'x' } })
    },
    expected: 'absent',
  },
  {
    name: 'later than its key is valid',
    make: (given) => sealed(given, fieldsOf(given, {}, { origin_server_ts: 4_000_000_000_000 })),
    expected: ({ version }) => (version.enforceKeyValidity ? 'absent' : 'stored'),
  },
]
