import { describe, expect, test } from 'vitest'
import { isRefusal } from '../../../src/protocol/event-refusal.ts'
import { checkContentHash, contentHash, eventIdOf, referenceHash } from '../../../src/protocol/hash.ts'
import { parseJsonObject } from '../../../src/protocol/json.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { eventFromStored, parseEvent, stripForFederation } from '../../../src/protocol/parse-event.ts'
import { pruneEvent } from '../../../src/protocol/redact.ts'
import { sealEvent } from '../../../src/protocol/seal-event.ts'
import { accepted, allVersions, hashId, key, messageFields, refusal, server, versionOf } from './events.ts'
import type { RoomVersion } from '../../../src/protocol/room-version.ts'

function sealed(version: RoomVersion, more: JsonObject = {}): JsonObject {
  return accepted(sealEvent(version, messageFields(version, more), server, key)).pdu
}

describe.each(allVersions)('room version $id', (version) => {
  const isV1 = version.eventIdFormat === 'origin'

  test('what we seal is an event, and is the same when received and when read from the store', () => {
    const event = accepted(sealEvent(version, messageFields(version, { unsigned: { age: 1 } }), server, key))
    expect(event.eventId).toMatch(
      isV1 ? /^\$e:domain$/ : version.id === '3' ? /^\$[A-Za-z0-9+/]{43}$/ : /^\$[\w-]{43}$/,
    )
    expect(eventIdOf(version, event.pdu)).toBe(event.eventId)
    expect(checkContentHash(event)).toBeUndefined()
    expect(accepted(parseEvent(version, event.pdu))).toEqual(event)
    expect(accepted(parseEvent(version, parseJsonObject(event.text, { mode: 'spelled' })))).toEqual(event)
    expect(eventFromStored(version, event.eventId, event.roomId, event.text)).toEqual(event)
    expect(event.prevEventIds).toEqual([isV1 ? '$p:domain' : hashId])
    expect(event.authEventIds).toEqual(event.prevEventIds)
    expect([event.stateKey, event.sender, event.depth, event.redacts]).toEqual([
      undefined,
      '@alice:domain',
      7,
      undefined,
    ])
    expect(event.pdu).not.toHaveProperty('unsigned')
    expect('event_id' in event.pdu).toBe(isV1)
  })

  const wrong: [string, JsonObject][] = [
    ['type is not a string', { type: 1 }],
    ['type is longer', { type: 'é'.repeat(128) }],
    ['state_key is not a string', { state_key: null }],
    ['state_key is longer', { state_key: 'é'.repeat(128) }],
    ['sender', { sender: 'alice' }],
    ['sender', { sender: `@${'é'.repeat(127)}:x` }],
    ['content', { content: [] }],
    ['room_id', { room_id: 'room:domain' }],
    ['room_id', { room_id: `!${'a'.repeat(255)}:x` }],
    ['room_id', { room_id: version.roomIdIsCreateHash ? '!room:domain' : `!${hashId.slice(1)}` }],
    ['origin_server_ts', { origin_server_ts: '1' }],
    ['origin_server_ts', { origin_server_ts: 1.5 }],
    ['depth', { depth: -1 }],
    ['depth', { depth: null }],
    ['depth', { depth: version.strictCanonicalJson ? 2 ** 53 : 2 ** 64 }],
    ['prev_events is not', { prev_events: {} }],
    ['prev_events has an entry', { prev_events: isV1 ? [hashId] : [['$p:domain', { sha256: '' }]] }],
    ['prev_events has an entry', { prev_events: isV1 ? [['p', {}]] : ['p'] }],
    ['prev_events has more', { prev_events: Array.from({ length: 21 }, () => (isV1 ? ['$p:x', {}] : hashId)) }],
    ['auth_events has more', { auth_events: Array.from({ length: 11 }, () => (isV1 ? ['$p:x', {}] : hashId)) }],
    ['hashes', { hashes: 'x' }],
    ['sha256', { hashes: {} }],
    ['signatures', { signatures: [] }],
    ['signatures', { signatures: { domain: 'x' } }],
    ['signatures', { signatures: { domain: { 'ed25519:1': 1 } } }],
    ...(isV1
      ? ([
          ['event_id', { event_id: 'x' }],
          ['event_id', { event_id: hashId }],
        ] as [string, JsonObject][])
      : []),
  ]
  test.each(wrong)('refused: %s (%j)', (reason, more) => {
    expect(refusal(parseEvent(version, { ...sealed(version), ...more }))).toContain(reason)
  })

  test.each([
    'type',
    'sender',
    'content',
    'room_id',
    'origin_server_ts',
    'depth',
    'prev_events',
    'auth_events',
    'hashes',
    'signatures',
    ...(isV1 ? ['event_id'] : []),
  ])('refused: no %s', (name) => {
    const { [name]: _gone, ...rest } = sealed(version)
    expect(refusal(parseEvent(version, rest))).toBeDefined()
  })

  test('history may name any number of events, all else holds for it too', () => {
    const reference = isV1 ? ['$p:x', {}] : hashId
    const many = { prev_events: Array(30).fill(reference), auth_events: Array(15).fill(reference) }
    const pdu = { ...sealed(version), ...many } as JsonObject
    expect(refusal(parseEvent(version, pdu))).toBeDefined()
    expect(accepted(parseEvent(version, pdu, true)).prevEventIds).toHaveLength(30)
    expect(refusal(parseEvent(version, { ...pdu, prev_events: [5] }, true))).toBeDefined()
  })

  test('20 prev_events and 10 auth_events are accepted', () => {
    const reference = isV1 ? ['$p:x', {}] : hashId
    const more = { prev_events: Array(20).fill(reference), auth_events: Array(10).fill(reference) }
    expect(refusal(parseEvent(version, { ...sealed(version), ...more }))).toBeUndefined()
  })

  test('65,536 bytes with signatures is the limit', () => {
    const base = sealed(version, { content: { body: '' } })
    const room = 65_536 - accepted(parseEvent(version, base)).text.length
    const of = (body: string) => parseEvent(version, { ...base, content: { body } })
    expect(refusal(of('x'.repeat(room)))).toBeUndefined()
    expect(refusal(of('x'.repeat(room + 1)))).toContain('65536')
    expect(refusal(of('é'.repeat(room / 2 + 1)))).toContain('65536')
    const refused = of('x'.repeat(room + 1))
    expect(isRefusal(refused) && refused.toError().status).toBe(413)
    const big = sealEvent(version, messageFields(version, { content: { body: 'x'.repeat(65_500) } }), server, key)
    expect(isRefusal(big) && big.errcode).toBe('M_TOO_LARGE')
  })

  test('numbers that are no integers within range', () => {
    const text = accepted(parseEvent(version, sealed(version))).text
    for (const number of ['1.0', '-0', '1.5', '1e3', '9007199254740993']) {
      const pdu = parseJsonObject(text.replace('"body":"hello"', `"body":${number}`), { mode: 'spelled' })
      const result = parseEvent(version, pdu)
      if (version.strictCanonicalJson) expect(refusal(result)).toContain('integer')
      else expect(accepted(result).text).toContain(`"body":${number === '-0' ? '0' : number}`)
    }
    const asFloat = parseJsonObject(text.replace('"depth":7', '"depth":7.0'), { mode: 'spelled' })
    expect(refusal(parseEvent(version, asFloat))).toContain('depth')
    expect(
      refusal(sealEvent(version, messageFields(version, { content: { a: 1.5 } }), server, key)) === undefined,
    ).toBe(!version.strictCanonicalJson)
  })

  test('duplicate keys, lone surrogates and deep nesting', () => {
    const text = accepted(parseEvent(version, sealed(version))).text
    for (const value of ['{"a":1,"a":1}', '"\\ud800"', '['.repeat(2000) + ']'.repeat(2000)]) {
      const pdu = parseJsonObject(text.replace('"hello"', value), { mode: 'spelled' })
      expect(refusal(parseEvent(version, pdu))).toBeDefined()
    }
  })
})

describe('room versions 1 to 5 keep the spelling of numbers', () => {
  // As another implementation wrote and hashed it: with `50.0`, and a depth beyond 2^53.
  const hashedText =
    '{"auth_events":[],"content":{"users":{"@a:domain":50.0},"x":[1E2]},"depth":9007199254740993,' +
    '"origin_server_ts":1,"prev_events":[],"room_id":"!r:domain","sender":"@a:domain","state_key":"","type":"m.room.power_levels"}'

  test('in the content hash, the event id, the text, the store and the pruned event', async () => {
    const version = versionOf('4')
    const { createHash } = await import('node:crypto')
    const hash = (text: string) => createHash('sha256').update(text).digest('base64').replace(/=+$/, '')
    const full = hashedText.replace(
      ',"origin_server_ts"',
      `,"hashes":{"sha256":"${hash(hashedText)}"},"origin_server_ts"`,
    )
    const received = parseJsonObject(full.replace(',"state_key"', ',"signatures":{},"state_key"'), { mode: 'spelled' })
    const event = accepted(parseEvent(version, received))
    expect(contentHash(version, event.pdu)).toBe(hash(hashedText))
    expect(checkContentHash(event)).toBeUndefined()
    const redacted = full.replace(',"x":[1E2]', '')
    expect(referenceHash(version, event.pdu)).toBe(hash(redacted))
    const stored = eventFromStored(version, event.eventId, event.roomId, event.text)
    expect(checkContentHash(stored)).toBeUndefined()
    expect(referenceHash(version, stored.pdu)).toBe(hash(redacted))
    const pruned = pruneEvent(stored)
    expect(pruned.text).toContain('"@a:domain":50.0')
    expect(pruned.text).toContain('"depth":9007199254740993')
    expect(checkContentHash(eventFromStored(version, event.eventId, event.roomId, pruned.text))).toContain('match')
    expect(refusal(parseEvent(versionOf('6'), received))).toBeDefined()
  })
})

describe('room version 12', () => {
  const version = versionOf('12')
  const create = {
    type: 'm.room.create',
    state_key: '',
    content: { room_version: '12' },
    prev_events: [],
    auth_events: [],
  }

  test("the create event has no room_id, and its hash is the room's", () => {
    const { room_id: _room, ...fields } = messageFields(version, create)
    const event = accepted(sealEvent(version, fields, server, key))
    expect(event.roomId).toBe(`!${event.eventId.slice(1)}`)
    expect(event.pdu).not.toHaveProperty('room_id')
    expect(accepted(parseEvent(version, event.pdu)).roomId).toBe(event.roomId)
    expect(pruneEvent(event)).toEqual(event)
  })

  test('a create event with a room_id is refused, another event without one too', () => {
    expect(refusal(sealEvent(version, messageFields(version, create), server, key))).toContain('no room_id')
    const { room_id: _room, ...fields } = messageFields(version)
    expect(refusal(sealEvent(version, fields, server, key))).toContain('room_id')
  })
})

describe('content hash', () => {
  const version = versionOf('10')
  const event = accepted(sealEvent(version, messageFields(version), server, key))

  test('tells a changed event from its original', () => {
    expect(checkContentHash(event)).toBeUndefined()
    expect(checkContentHash(accepted(parseEvent(version, { ...event.pdu, content: {} })))).toContain('match')
    expect(checkContentHash(pruneEvent(event))).toContain('match')
  })
  test('may be padded', () => {
    const { sha256 } = event.pdu.hashes as { sha256: string }
    expect(checkContentHash({ ...event, pdu: { ...event.pdu, hashes: { sha256: `${sha256}=` } } })).toBeUndefined()
    expect(checkContentHash({ ...event, pdu: { ...event.pdu, hashes: { sha256: '!' } } })).toContain('base64')
    expect(checkContentHash({ ...event, pdu: { ...event.pdu, hashes: {} } })).toContain('sha256')
  })
  test('does not cover an event_id that somebody added (from version 3)', () => {
    expect(contentHash(version, { ...event.pdu, event_id: '$x', unsigned: {} })).toBe(contentHash(version, event.pdu))
    expect(eventIdOf(version, { ...event.pdu, event_id: '$x' })).toBe(event.eventId)
    expect(stripForFederation(version, { ...event.pdu, event_id: '$x', unsigned: {} })).toEqual(event.pdu)
  })
})
