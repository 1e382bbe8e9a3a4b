import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson } from '../../../src/protocol/canonical-json.ts'
import { sliceContent, sliceEvent } from '../../../src/protocol/event-slices.ts'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'
import { scale, seed } from '../../support/scale.ts'

const wanted = [
  ['content', 'content'],
  ['originServerTs', 'origin_server_ts'],
  ['sender', 'sender'],
  ['stateKey', 'state_key'],
  ['type', 'type'],
] as const

/** Texts that look like the ends and beginnings of members. */
const nasty = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(
    '],"content":{',
    '\\"',
    '\\',
    '"},"depth":1,"type":"',
    '{',
    '}]',
    ',',
    '\u0000',
    '\u2028',
    '__proto__',
  ),
)
const value = fc.letrec<{ any: Json }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    nasty,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(nasty, tie('any'), { maxKeys: 3 }),
  ),
})).any
const keys = fc.constantFrom('auth_events', 'content', 'depth', 'sender', 'state_key', 'type', 'origin_server_ts')

test('the members of an event are cut out of its canonical text as parsing would find them', () => {
  const event = fc.dictionary(fc.oneof(keys, nasty), value)
  fc.assert(
    fc.property(event, (pdu) => {
      const slices = sliceEvent(canonicalJson(pdu as JsonObject))
      expect(sliceContent(canonicalJson(pdu as JsonObject))).toBe(slices.content)
      for (const [name, key] of wanted) {
        const slice = slices[name]
        if (!Object.hasOwn(pdu, key)) expect(slice).toBeUndefined()
        else expect(slice).toBe(canonicalJson(pdu[key] as Json))
      }
    }),
    { numRuns: scale(500, 20_000), seed: seed(20_260_501) },
  )
})

test('what is no whole object is refused', () => {
  for (const text of ['', '[]', '{', '{"a', '{"a":', '{"a":"b', '{"a":[1', '{"a":{"b":"}"'])
    expect(() => sliceEvent(text)).toThrow(SyntaxError)
})
