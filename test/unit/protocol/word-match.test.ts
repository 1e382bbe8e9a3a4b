import fc from 'fast-check'
import { expect, test } from 'vitest'
import { globMatchesWords } from '../../../src/protocol/word-match.ts'

test.each([
  ['ex*ple', 'An example event.', true],
  ['ex*ple', 'exple', true],
  ['ex*ple', 'An exciting triple-whammy', true],
  ['ex*ple', 'examples', false],
  ['cake', 'I like cake!', true],
  ['cake', 'cakes', false],
  ['cake', 'pancake', false],
  ['cake', 'pancake cake', true],
  ['cake', 'cake_', false],
  ['cake', 'ücakeü', true],
  ['c?ke', 'a coke', true],
  ['c?ke', 'cke', false],
  ['c??', 'say c😀x now', true],
  ['@bob', 'hi @bob: hello', true],
  ['@bob', 'mail@bob', true],
  ['a.b', 'axb', false],
  ['*', '', true],
  ['x', '', false],
  ['(', 'a ( b', true],
  ['a*', 'b ca', false],
  ['*end', 'the weekend', true],
])('%j in %j: %j', (glob, text, expected) => {
  expect(globMatchesWords(glob, text)).toBe(expected)
})

test('agrees with a search over all parts of the text', () => {
  const isWord = (char: string | undefined) => char !== undefined && /[A-Za-z0-9_]/.test(char)
  const boundary = (text: string, at: number) =>
    at === 0 || at === text.length || !isWord(text[at - 1]) || !isWord(text[at])
  const naive = (glob: string, text: string) => {
    const regex = new RegExp(`^${glob.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's')
    for (let i = 0; i <= text.length; i++)
      for (let j = i; j <= text.length; j++)
        if (boundary(text, i) && boundary(text, j) && regex.test(text.slice(i, j))) return true
    return false
  }
  const glob = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', ' '), maxLength: 5 })
  const text = fc.string({ unit: fc.constantFrom('a', 'b', ' '), maxLength: 8 })
  fc.assert(
    fc.property(glob, text, (pattern, body) => {
      expect(globMatchesWords(pattern, body)).toBe(naive(pattern, body))
    }),
    { numRuns: 3000 },
  )
})

test('a hostile pattern takes bounded time', () => {
  const start = performance.now()
  expect(globMatchesWords('*a'.repeat(100), `${'a '.repeat(30_000)}b`)).toBe(true)
  expect(globMatchesWords(`${'*a'.repeat(100)}c`, 'a'.repeat(60_000))).toBe(false)
  expect(performance.now() - start).toBeLessThan(2000)
})
