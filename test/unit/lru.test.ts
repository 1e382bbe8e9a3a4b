import { expect, test } from 'vitest'
import { lru } from '../../src/util/lru.ts'

test('keeps the entries used last, and no more', () => {
  const cache = lru<string, number>(2)
  cache.set('a', 1)
  cache.set('b', 2)
  expect(cache.get('a')).toBe(1)
  cache.set('c', 3)
  expect([...cache.keys()].toSorted()).toEqual(['a', 'c'])
  cache.set('a', 4)
  expect(cache.size).toBe(2)
  cache.delete('a')
  cache.set('d', 5)
  cache.set('e', 6)
  expect([...cache.keys()].toSorted()).toEqual(['d', 'e'])
})
