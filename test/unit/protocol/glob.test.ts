import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileGlob, globMatches, isGlob } from '../../../src/protocol/glob.ts'

/** The definition, by recursion on characters. */
function reference(pattern: readonly string[], text: readonly string[]): boolean {
  const [first, ...rest] = pattern
  if (first === undefined) return text.length === 0
  if (first === '*') return reference(rest, text) || (text.length > 0 && reference(pattern, text.slice(1)))
  return text.length > 0 && (first === '?' || first === text[0]) && reference(rest, text.slice(1))
}

const letters = fc.array(fc.constantFrom('a', 'b', '.', '😀'), { maxLength: 7 })
const patterns = fc.array(fc.constantFrom('a', 'b', '.', '😀', '*', '?'), { maxLength: 7 })

test('matches as the definition says, compiled or not', () => {
  fc.assert(
    fc.property(patterns, letters, (pattern, text) => {
      const expected = reference(pattern, text)
      expect(globMatches(pattern.join(''), text.join(''))).toBe(expected)
      expect(compileGlob(pattern.join(''))(text.join(''))).toBe(expected)
    }),
    { numRuns: 5000 },
  )
})

test.each([
  ['*', '', true],
  ['', '', true],
  ['', 'a', false],
  ['?', '', false],
  ['a*c', 'abbc', true],
  ['a*c', 'abcd', false],
  ['*.example.org', 'hs.example.org', true],
  ['*.example.org', 'example.org', false],
  ['?', '😀', true],
  ['??', '😀', false],
  ['a.c', 'abc', false],
  ['[a-z]+', 'abc', false],
  ['\\*', '\\x', true],
])('%j matches %j: %s', (pattern, text, expected) => {
  expect(globMatches(pattern, text)).toBe(expected)
  expect(compileGlob(pattern)(text)).toBe(expected)
})

test('case counts unless told', () => {
  expect(globMatches('EVIL.*', 'evil.Com')).toBe(false)
  expect(globMatches('EVIL.*', 'evil.Com', { ignoreCase: true })).toBe(true)
  expect(compileGlob('*.EVIL.com', { ignoreCase: true })('A.evil.COM')).toBe(true)
})

test('many stars against a long text take no time', () => {
  const start = process.hrtime.bigint()
  expect(globMatches(`${'*a'.repeat(20)}b`, 'a'.repeat(10_000))).toBe(false)
  expect(Number(process.hrtime.bigint() - start) / 1e6).toBeLessThan(1000)
})

test('isGlob', () => {
  expect([isGlob('a.b'), isGlob('a*'), isGlob('?')]).toEqual([false, true, true])
})
