import { expect, test } from 'vitest'
import { SecondChance } from '../../../src/util/second-chance.ts'
import { seed } from '../../support/scale.ts'
import { Seeded } from '../../support/seeded.ts'

const cacheOf = (maxSize: number) => new SecondChance<number, string>({ maxSize, sizeOf: (text) => text.length })
const among = (cache: SecondChance<number, string>, keys: readonly number[]) =>
  keys.filter((key) => cache.get(key) !== undefined)

test('the oldest goes first; what was asked for since stays for one more round', () => {
  const cache = cacheOf(3)
  for (const key of [1, 2, 3]) cache.set(key, 'x')
  cache.get(1)
  cache.set(4, 'x')
  cache.set(5, 'x')
  // 2 and 3 had their turn; 1 was passed over once, and is the next
  cache.set(6, 'x')
  expect(among(cache, [1, 2, 3])).toEqual([])
  expect(among(cache, [4, 5, 6])).toEqual([4, 5, 6])
})

test('where all were asked for, the oldest makes room for the newest', () => {
  const cache = cacheOf(3)
  for (const key of [1, 2, 3]) cache.set(key, 'x')
  expect(among(cache, [1, 2, 3])).toEqual([1, 2, 3])
  cache.set(4, 'x')
  expect(among(cache, [1, 2, 3, 4])).toEqual([2, 3, 4])
})

test('one that is larger than all is not kept, and nothing is found after clear', () => {
  const cache = cacheOf(3)
  cache.set(1, 'xxxx')
  expect(cache.get(1)).toBeUndefined()
  cache.set(2, 'xxx')
  expect(cache.get(2)).toBe('xxx')
  cache.clear()
  expect(cache.get(2)).toBeUndefined()
  cache.set(3, 'xxx')
  expect(cache.get(3)).toBe('xxx')
})

test('it finds the last value or none, and never holds more than its size', () => {
  const random = new Seeded(seed(4_100))
  const cache = cacheOf(50)
  const written = new Map<number, string>()
  let found = 0
  for (let step = 0; step < 5_000; step++) {
    const key = random.below(40)
    if (random.chance(0.4)) {
      const text = String.fromCharCode(97 + random.below(26)).repeat(1 + random.below(8))
      cache.set(key, text)
      written.set(key, text)
    } else if (random.chance(0.1)) {
      cache.delete(key)
      written.delete(key)
    }
    const kept = among(cache, [...Array(40).keys()])
    for (const each of kept) expect(cache.get(each)).toBe(written.get(each))
    expect(kept.reduce((sum, each) => sum + (written.get(each) as string).length, 0)).toBeLessThanOrEqual(50)
    found += kept.length
  }
  expect(found / 5_000).toBeGreaterThan(8)
})
