import { walk } from 'canonical-json'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalEventJson, canonicalJson, compareCodePoints } from '../../../src/protocol/canonical-json.ts'
import { parseJson, parseJsonObject } from '../../../src/protocol/json.ts'
import type { Json } from '../../../src/protocol/json-types.ts'
import { utf8Length } from '../../../src/protocol/text.ts'

describe("the specification's examples", () => {
  test.each([
    ['{}', '{}'],
    ['{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'],
    ['{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'],
    ['{"b":"2","a":"1"}', '{"a":"1","b":"2"}'],
    [
      `{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": "John Doe", "three_pids": [
        {"medium": "email", "address": "john.doe@example.org"}, {"medium": "msisdn", "address": "123456789"}]}}}`,
      '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}',
    ],
    ['{"a": "日本語"}', '{"a":"日本語"}'],
    ['{"本": 2, "日": 1}', '{"日":1,"本":2}'],
    ['{"a": "\\u65E5"}', '{"a":"日"}'],
    ['{"a": null}', '{"a":null}'],
    ['{"a": -0, "b": 1e10}', '{"a":0,"b":10000000000}'],
  ])('%s', (text, expected) => {
    expect(canonicalJson(parseJson(text, { mode: 'lenient' }))).toBe(expected)
  })
})

test('escapes as the grammar has them', () => {
  expect(canonicalJson('\b\t\n\f\r"\\/\u0000\u001f\u007f\u2028')).toBe(
    '"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\u007f\u2028"',
  )
})

test('orders integer-like keys as texts and keeps __proto__', () => {
  expect(canonicalJson(parseJson('{"9":2,"10":1}', { mode: 'strict' }))).toBe('{"10":1,"9":2}')
  expect(canonicalJson(parseJson('{"b":1,"__proto__":{"z":1,"a":2}}', { mode: 'strict' }))).toBe(
    '{"__proto__":{"a":2,"z":1},"b":1}',
  )
})

test('orders keys by code point, not by UTF-16 unit', () => {
  expect(canonicalJson({ '😀': 1, '\uff5e': 2, a: 3 })).toBe('{"a":3,"\uff5e":2,"😀":1}')
  expect(canonicalJson({ 'a😀': 1, 'a\ue000': 2, 'a😀b': 3 })).toBe('{"a\ue000":2,"a😀":1,"a😀b":3}')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      const byBytes = Buffer.compare(Buffer.from(a), Buffer.from(b))
      expect(Math.sign(compareCodePoints(a, b))).toBe(byBytes)
    }),
  )
})

test('does not recurse', () => {
  let deep: Json = []
  for (let at = 0; at < 50_000; at++) deep = at % 2 === 0 ? [deep] : { a: deep }
  expect(canonicalJson(deep)).toHaveLength(2 + 25_000 * 2 + 25_000 * 6)
})

test('refuses NaN and infinities', () => {
  expect(() => canonicalJson([Number.NaN])).toThrow(TypeError)
  expect(() => canonicalJson(Infinity)).toThrow(TypeError)
})

test("agrees with the canonical-json package's walk under a code point order", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      let expected = ''
      walk(value, (chunk) => (expected += chunk), compareCodePoints)
      expect(canonicalJson(value as Json)).toBe(expected)
    }),
  )
})

test('parsing undoes it', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = canonicalJson(value as Json)
      const parsed = parseJson(text, { mode: 'spelled' })
      expect(parsed).toEqual(JSON.parse(text))
      expect(canonicalJson(parsed)).toBe(text)
    }),
  )
})

describe('spelling', () => {
  const text = '{"a":1.0,"b":[1e5,-0,{"c":12345678901234567890}],"d":-0.0,"e":1.50}'

  test('numbers come out as they were written, but for the sign of zero', () => {
    expect(canonicalJson(parseJson(text, { mode: 'spelled' }))).toBe(text.replace('-0,', '0,'))
    expect(canonicalJson(parseJson(text, { mode: 'lenient' }))).toBe(
      '{"a":1,"b":[100000,0,{"c":12345678901234567000}],"d":0,"e":1.5}',
    )
  })

  test('a number that was replaced in a copy is not written as the old one', () => {
    const parsed = parseJsonObject(text, { mode: 'spelled' })
    expect(canonicalJson({ ...parsed, b: [], a: 2 })).toBe('{"a":2,"b":[],"d":-0.0,"e":1.50}')
  })
})

describe('of events', () => {
  const spelled = (text: string) => parseJsonObject(text, { mode: 'spelled' })

  test.each(['{"a":1.0}', '{"a":1.5}', '{"a":[-0]}', '{"a":9007199254740992}', '{"a":{"b":1e3}}', '[1E400]'])(
    '%s is no event of a room version from 6',
    (text) => {
      const object = spelled(text.startsWith('[') ? `{"a":${text}}` : text)
      expect(() => canonicalEventJson(object, true)).toThrow('integer')
      expect(() => canonicalEventJson(object, false)).not.toThrow()
    },
  )

  test.each([
    ['a key that stands twice', '{"a":{"b":1,"b":1}}'],
    ['a lone surrogate', '{"a":"\\ud800"}'],
    ['a lone surrogate in a key', '{"\\udc00":1}'],
    ['deep nesting', `{"a":${'['.repeat(1000)}${']'.repeat(1000)}}`],
  ])('%s is refused in every room version', (_what, text) => {
    expect(() => canonicalEventJson(spelled(text), true)).toThrow()
    expect(() => canonicalEventJson(spelled(text), false)).toThrow()
    expect(() => canonicalJson(spelled(text))).not.toThrow()
  })
})

test('utf8Length counts bytes', () => {
  expect([utf8Length(''), utf8Length('é'), utf8Length('日'), utf8Length('😀')]).toEqual([0, 2, 3, 4])
})
