import { describe, expect, test } from 'vitest'
import {
  behind,
  distance,
  formatSyncToken,
  isAhead,
  isNews,
  parseSyncToken,
  vectorOfToken,
} from '../../../src/delivery/sync/token.ts'

const vector = new Map([
  [1, 4711],
  [36, 1],
])

describe('tokens of /sync', () => {
  test('come back as they went', () => {
    const text = formatSyncToken('a-_b', { vector, typing: 1_767_225_600_000 })
    expect(parseSyncToken('a-_b', text)).toEqual({ vector, typing: 1_767_225_600_000 })
    expect(encodeURIComponent(text)).toBe(text)
    expect(vectorOfToken(text)).toEqual(vector)
  })

  test('writers without a position are left out', () => {
    expect(formatSyncToken('e', { vector: new Map([[1, 0]]), typing: 0 })).toBe('se~0')
    expect(parseSyncToken('e', 'se~0')).toEqual({ vector: new Map(), typing: 0 })
  })

  test('of another database they mean nothing, and other text is refused', () => {
    expect(parseSyncToken('e', 'sother~0~1.1')).toBeUndefined()
    for (const text of [
      '',
      's',
      'x',
      's~',
      'se',
      'se~0~1',
      'se~0~1.',
      'se~0~-1.5',
      't5',
      'se~0~1.1 ',
      's72594_4483_1934',
    ]) {
      expect(() => parseSyncToken('e', text)).toThrow()
      expect(vectorOfToken(text)).toBeUndefined()
    }
  })

  test('vectors are compared writer by writer', () => {
    const since = new Map([
      [1, 10],
      [2, 5],
    ])
    const now = new Map([
      [1, 10],
      [2, 9],
      [3, 2],
    ])
    expect(behind(since, now)).toEqual([
      [2, 5],
      [3, 0],
    ])
    expect(distance(since, now)).toBe(6)
    expect(isNews(since, { writer: 2, pos: 5 })).toBe(false)
    expect(isNews(since, { writer: 3, pos: 1 })).toBe(true)
    expect(isAhead(since, now)).toBe(false)
    expect(isAhead(new Map([[1, 11]]), now)).toBe(true)
    expect(isAhead(new Map([[4, 1]]), now)).toBe(true)
  })
})
