import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MatrixError } from '../../../src/protocol/errors.ts'
import { odditiesOf } from '../../../src/protocol/json-oddities.ts'
import { parseSlowly } from '../../../src/protocol/json-parser.ts'
import { isJsonObject, memberOf, parseJson, parseJsonObject } from '../../../src/protocol/json.ts'
import type { JsonMode } from '../../../src/protocol/json-types.ts'

const modes = ['strict', 'lenient', 'spelled'] as const

function errcode(input: Uint8Array | string, mode: JsonMode): string {
  return errcodeOf(() => parseJson(input, { mode }))
}

function errcodeOf(parse: () => unknown): string {
  try {
    parse()
  } catch (error) {
    if (error instanceof MatrixError) return error.errcode
    throw error
  }
  return 'accepted'
}

describe.each(modes)('mode %s', (mode) => {
  const parse = (text: string) => parseJson(text, { mode })

  test.each(['{}', '[]', 'null', 'true', '"a"', '17', ' { "a" : [ 1 , {"b":"\\u00e9\\n"} ] }\n', '{"10":1,"9":2}'])(
    'reads %s as JSON.parse does',
    (text) => expect(parse(text)).toEqual(JSON.parse(text)),
  )

  test.each([
    '',
    ' ',
    '{',
    '[1,]',
    '{"a":1,}',
    '{a:1}',
    '01',
    '+1',
    '1.',
    '.5',
    '1e',
    '-',
    'nul',
    '"\n"',
    '"\\x"',
    "'a'",
    '[1]x',
    '{"a" 1}',
    '"abc',
    '"\\',
    'NaN',
    '[1 2]',
  ])('refuses %j as no JSON', (text) => expect(errcode(text, mode)).toBe('M_NOT_JSON'))

  test.each(['[-0,]', '[1.5,}', '{"a":1.5,,}', '[1.0', '{"a":1e2 "b":1}'])('refuses %j, odd and broken', (text) => {
    // In mode strict the oddity may be met first.
    expect(errcode(text, mode)).toMatch(mode === 'strict' ? /M_NOT_JSON|M_BAD_JSON/ : /M_NOT_JSON/)
  })

  test('refuses what is not UTF-8, overlong forms and surrogates in UTF-8 among it, and a byte order mark', () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0xaf, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
      [0xef, 0xbb, 0xbf, 0x31],
    ]) {
      expect(errcode(Uint8Array.from(bytes), mode)).toBe('M_NOT_JSON')
    }
    expect(parseJson(new TextEncoder().encode('"日本 😀"'), { mode })).toBe('日本 😀')
  })

  test('keeps __proto__ as a key like any other, on the fast and on the slow way', () => {
    for (const text of ['{"__proto__":{"admin":true},"a":1}', '{"a":"\\ud83d\\ude00","__proto__":{"admin":true}}']) {
      const parsed = parseJsonObject(text, { mode })
      expect(Object.keys(parsed)).toContain('__proto__')
      expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype)
      expect((parsed as { admin?: boolean }).admin).toBeUndefined()
      expect(memberOf(parsed, '__proto__')).toEqual({ admin: true })
    }
    expect(memberOf(parseJsonObject('{}', { mode }), 'constructor')).toBeUndefined()
  })

  test('does not overflow the stack on 10 KB of nested arrays', () => {
    const deep = '['.repeat(5000) + ']'.repeat(5000)
    expect(errcode(deep, mode)).toBe(mode === 'spelled' ? 'accepted' : 'M_BAD_JSON')
    const deepAndOdd = '['.repeat(5000) + '1.0' + ']'.repeat(5000)
    expect(() => parseJson(deepAndOdd, { mode: 'spelled', maxDepth: 5000 })).not.toThrow()
    expect(errcode('{"a":'.repeat(100_000), mode)).toMatch(/M_NOT_JSON|M_BAD_JSON/)
    expect(parseJson('[[[]]]', { mode, maxDepth: 3 })).toEqual([[[]]])
    expect(() => parseJson('[[[]]]', { mode, maxDepth: 2 })).toThrow('deep')
  })

  test('an error never quotes the text', () => {
    expect(() => parse('{"secret')).toThrow(/^not JSON$/)
  })

  test('agrees with JSON.parse on any JSON that says nothing odd', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = JSON.stringify(integersOf(value), undefined, 1)
        expect(parse(text)).toEqual(JSON.parse(text))
        expect(parseSlowly(text, mode)).toEqual(JSON.parse(text))
      }),
    )
  })

  test('refuses whatever JSON.parse refuses', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...'{}[]:,"\\0 1-.eEtrufalsn'.split('')), { maxLength: 12 }), (parts) => {
        const text = parts.join('')
        const slow = errcodeOf(() => parseSlowly(text, mode))
        for (const code of [errcode(text, mode), slow]) {
          if (isParseable(text)) expect(code).not.toBe('M_NOT_JSON')
          else expect(code).not.toBe('accepted')
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('what JSON.parse hides', () => {
  test.each([
    '1.0',
    '1.5',
    '1e3',
    '1E3',
    '-0',
    '-0.0',
    '9007199254740992',
    '-9007199254740992',
    '12345678901234567890',
    '1e400',
    '0.1e1',
  ])('the number %s: strict refuses, spelled remembers', (number) => {
    expect(errcode(`{"a":${number}}`, 'strict')).toBe('M_BAD_JSON')
    expect(errcode(`[${number}]`, 'strict')).toBe('M_BAD_JSON')
    expect(errcode(number, 'strict')).toBe('M_BAD_JSON')
    const parsed = parseJsonObject(`{"a":${number}}`, { mode: 'spelled' })
    expect(Object.is(parsed.a, Number(number))).toBe(true)
    const isAsWritten = String(Number(number)) === number || number === '-0'
    expect(odditiesOf(parsed)?.numbers.get('a')?.text).toBe(isAsWritten ? undefined : number)
  })

  test('the ends of the range of integers are in it', () => {
    expect(parseJson('[9007199254740991,-9007199254740991,0]', { mode: 'strict' })).toEqual([
      2 ** 53 - 1,
      1 - 2 ** 53,
      0,
    ])
  })

  test('lenient takes any finite number', () => {
    expect(parseJson('[1.0,1.5,1e3,-0.5,12345678901234567890]', { mode: 'lenient' })).toEqual([
      1, 1.5, 1000, -0.5, 12345678901234567000,
    ])
    expect(errcode('1e400', 'lenient')).toBe('M_BAD_JSON')
  })

  test('a key that stands twice: strict refuses, lenient takes the last, spelled remembers', () => {
    for (const text of [
      '{"a":1,"a":2}',
      '{"a":1,"\\u0061":2}',
      '{"b":[{"a":1,"a":2}],"c":1}',
      '{"__proto__":1,"__proto__":2}',
    ]) {
      expect(errcode(text, 'strict')).toBe('M_BAD_JSON')
      expect(parseJson(text, { mode: 'lenient' })).toEqual(JSON.parse(text))
    }
    const parsed = parseJsonObject('{"b":{"a":1,"a":2}}', { mode: 'spelled' })
    expect(odditiesOf(parsed)).toBeUndefined()
    expect(isJsonObject(parsed.b) && odditiesOf(parsed.b)?.duplicateKey).toBe(true)
    expect(errcode('{"a":{"a":":{,}"},"b":{"a":1}}', 'strict')).toBe('accepted')
  })

  test('lone surrogates are refused, pairs are not', () => {
    for (const mode of ['strict', 'lenient'] as const) {
      for (const text of ['"\\ud83d"', '"\\ude00\\ud83d"', '{"\\uDFFF":1}'])
        expect(errcode(text, mode)).toBe('M_BAD_JSON')
      expect(parseJson('"\\ud83d\\ude00"', { mode })).toBe('😀')
      expect(parseJson('"\\\\ud83d"', { mode })).toBe('\\ud83d')
    }
    expect(parseJson('"\\ud83d"', { mode: 'spelled' })).toBe('\ud83d')
  })

  test('a copy by spread keeps what was remembered, JSON.stringify and Object.keys do not show it', () => {
    const parsed = parseJsonObject('{"a":1.0}', { mode: 'spelled' })
    expect(odditiesOf({ ...parsed })?.numbers.get('a')?.text).toBe('1.0')
    expect(Object.keys(parsed)).toEqual(['a'])
    expect(JSON.stringify(parsed)).toBe('{"a":1}')
  })
})

test('parseJsonObject wants an object', () => {
  for (const text of ['[]', 'null', '"a"', '1']) {
    expect(() => parseJsonObject(text, { mode: 'lenient' })).toThrow('object expected')
  }
})

function isParseable(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The same value with its numbers made plain integers and its strings well formed. */
function integersOf(value: unknown): unknown {
  if (typeof value === 'number') return Math.trunc(value % 1e9) || 0
  if (typeof value === 'string') return value.replaceAll(/\p{Surrogate}/gu, '')
  if (Array.isArray(value)) return value.map(integersOf)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [integersOf(key), integersOf(child)]))
}
