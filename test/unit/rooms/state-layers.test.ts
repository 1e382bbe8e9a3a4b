import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { PackReader, PackWriter, packNids, unpackNids } from '../../../src/store/packed.ts'
import { deltaAt, deltaOf, packDelta, unpackDelta } from '../../../src/store/state-group-codec.ts'
import type { Chain } from '../../../src/rooms/layers.ts'
import { eventAt, expand, placeLayer } from '../../../src/rooms/layers.ts'

describe('packed numbers', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat()), (numbers) => {
        const writer = new PackWriter()
        for (const number of numbers) writer.write(number)
        for (const number of numbers) writer.writeSigned(number % 2 === 0 ? -(number >> 1) : number >> 1)
        const reader = new PackReader(writer.finish())
        expect(numbers.map(() => reader.read())).toEqual(numbers)
        expect(numbers.map(() => reader.readSigned())).toEqual(
          numbers.map((n) => (n % 2 === 0 ? 0 - (n >> 1) : n >> 1)),
        )
        expect(reader.isAtEnd).toBe(true)
      }),
    )
  })

  test('row ids come back ascending, each once', () => {
    fc.assert(
      fc.property(fc.array(fc.maxSafeNat()), (nids) => {
        expect(unpackNids(packNids(nids))).toEqual([...new Set(nids)].sort((a, b) => a - b))
      }),
    )
    expect(unpackNids(null)).toEqual([])
  })

  test('numbers that end too early are refused', () => {
    expect(() => new PackReader(Buffer.from([128])).read()).toThrow(RangeError)
  })
})

const arbitraryChanges = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 2 ** 40 })))
  .map((entries) => new Map(entries))

describe('state layers', () => {
  test('a packed layer comes back as it was', () => {
    fc.assert(
      fc.property(arbitraryChanges, (changes) => {
        const delta = unpackDelta(packDelta(deltaOf(changes)))
        expect(new Map([...delta.keys].map((key, i) => [key, delta.events[i]]))).toEqual(changes)
        for (const [key, event] of changes) expect(deltaAt(delta, key)).toBe(event)
        expect(deltaAt(delta, 61)).toBeUndefined()
      }),
    )
  })

  test('any row of changes gives the state that a plain map has, in at most 4 layers', () => {
    fc.assert(
      fc.property(fc.array(arbitraryChanges, { maxLength: 60 }), (steps) => {
        let chain: Chain = []
        const plain = new Map<number, number>()
        for (const [i, changes] of steps.entries()) {
          const { parent, layer, delta } = placeLayer(chain, changes)
          chain = [{ groupNid: i + 1, parent: parent[0]?.groupNid ?? null, layer, hash: 0n, delta }, ...parent]
          for (const [key, event] of changes)
            if (event === 0) plain.delete(key)
            else plain.set(key, event)
          expect(chain.length).toBeLessThanOrEqual(4)
          expect(expand(chain)).toEqual(plain)
          for (let key = 1; key <= 60; key++) expect(eventAt(chain, key)).toBe(plain.get(key))
        }
      }),
      { numRuns: 50 },
    )
  })

  test('a state change in a room of 10,000 members costs at most 100 bytes, snapshots included', () => {
    let chain: Chain = []
    let bytes = 0
    let event = 1
    const change = (key: number) => {
      const { parent, layer, delta } = placeLayer(chain, new Map([[key, event++]]))
      chain = [{ groupNid: event, parent: parent[0]?.groupNid ?? null, layer, hash: 0n, delta }, ...parent]
      return packDelta(delta).length
    }
    for (let key = 1; key <= 10_000; key++) change(key)
    let seed = 1
    for (let i = 0; i < 10_000; i++) {
      seed = (seed * 48_271) % 2_147_483_647
      bytes += change((seed % 10_000) + 1)
    }
    expect(bytes / 10_000).toBeLessThan(100)
  })
})
