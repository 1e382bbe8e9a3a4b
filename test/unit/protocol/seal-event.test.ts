import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalEventJson } from '../../../src/protocol/canonical-json.ts'
import { isRefusal } from '../../../src/protocol/event-refusal.ts'
import { checkContentHash, eventIdOf } from '../../../src/protocol/hash.ts'
import type { ServerName } from '../../../src/protocol/ids.ts'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'
import { maxJsonDepth } from '../../../src/protocol/json.ts'
import { parseEvent } from '../../../src/protocol/parse-event.ts'
import { roomVersions } from '../../../src/protocol/room-version.ts'
import type { RoomVersion } from '../../../src/protocol/room-version.ts'
import { sealEvent } from '../../../src/protocol/seal-event.ts'
import { signingKeyFromSeed, verifyEventSignature } from '../../../src/protocol/sign.ts'

const server = 'a.test' as ServerName
const key = signingKeyFromSeed('ed25519:t', new Uint8Array(32).fill(7))

function fieldsOf(version: RoomVersion, type: string, content: JsonObject, stateKey?: string): JsonObject {
  const hash = 'A'.repeat(43)
  return {
    type,
    sender: '@a:a.test',
    room_id: version.roomIdIsCreateHash ? `!${hash}` : '!r:a.test',
    content,
    depth: 7,
    origin_server_ts: 1_700_000_000_000,
    prev_events: version.eventIdFormat === 'origin' ? [['$p:a.test', { sha256: hash }]] : [`$${hash}`],
    auth_events: [],
    ...(stateKey === undefined ? {} : { state_key: stateKey }),
    ...(version.eventIdFormat === 'origin' ? { event_id: '$e:a.test' } : {}),
  }
}

const value = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'grapheme' }),
    fc.maxSafeInteger().map((number) => number + 0),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(fc.string({ unit: 'grapheme' }), tie('json'), { maxKeys: 4 }),
  ),
})).json
const content = fc.dictionary(
  fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('membership', 'ban', 'users', 'redacts', 'join_rule')),
  value,
  { maxKeys: 6 },
)
const kind = fc.constantFrom(
  ['m.room.message'],
  ['m.room.member', '@a:a.test'],
  ['m.room.power_levels', ''],
  ['m.room.join_rules', ''],
  ['m.room.redaction'],
)

test('what is put together of its members is what is written at once: text, hash, id and signature', () => {
  for (const version of roomVersions.values())
    fc.assert(
      fc.property(content, kind, (made, [type, stateKey]) => {
        const event = sealEvent(version, fieldsOf(version, type as string, made, stateKey), server, key)
        if (isRefusal(event)) throw new Error(event.reason)
        expect(event.text).toBe(canonicalEventJson(event.pdu, version.strictCanonicalJson))
        expect(checkContentHash(event)).toBeUndefined()
        expect(event.eventId).toBe(eventIdOf(version, event.pdu))
        expect(verifyEventSignature(event, server, key.keyId, key.publicKey)).toBe(true)
      }),
      { numRuns: 60 },
    )
})

test('depth and size are refused as on events from outside', () => {
  const nested = (depth: number): JsonObject => {
    let inner: Json = 1
    for (let i = 0; i < depth; i++) inner = { a: inner }
    return { a: inner }
  }
  const [version] = [...roomVersions.values()].slice(-2) as [RoomVersion]
  for (let depth = maxJsonDepth - 6; depth < maxJsonDepth + 3; depth++) {
    const fields = fieldsOf(version, 'm.room.message', nested(depth))
    const outside = parseEvent(version, { ...fields, hashes: { sha256: '' }, signatures: {} })
    expect(isRefusal(sealEvent(version, fields, server, key))).toBe(isRefusal(outside))
  }
  for (let size = 64_800; size < 65_700; size += 10) {
    const event = sealEvent(version, fieldsOf(version, 'm.room.message', { body: 'x'.repeat(size) }), server, key)
    if (!isRefusal(event)) expect(event.text.length).toBeLessThanOrEqual(65_536)
    else expect(event.toError().errcode).toBe('M_TOO_LARGE')
  }
})
