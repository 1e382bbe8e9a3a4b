import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { NidRanks } from '../../../../src/protocol/state-resolution/nid-ranks.ts'

const highest = 2 ** 24
const nid = fc.oneof(fc.nat(200), fc.nat(100_000), fc.nat(highest), fc.constant(highest))

test('row ids come in order, each once, and each knows its place', () => {
  fc.assert(
    fc.property(fc.array(nid, { maxLength: 300 }), nid, (nids, other) => {
      const ranks = new NidRanks(highest)
      const seen = new Set<number>()
      for (const each of nids) {
        expect(ranks.add(each)).toBe(!seen.has(each))
        seen.add(each)
      }
      const sorted = [...seen].toSorted((a, b) => a - b)
      const descending: number[] = []
      ranks.descend((each) => descending.push(each))
      expect(descending.toReversed()).toEqual(sorted)
      expect(ranks.rank()).toBe(sorted.length)
      for (const [place, each] of sorted.entries()) expect(ranks.get(each)).toBe(place)
      if (!seen.has(other)) expect(ranks.get(other)).toBeUndefined()
    }),
  )
})
