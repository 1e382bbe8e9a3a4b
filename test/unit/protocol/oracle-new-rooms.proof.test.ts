import { expect, test } from 'vitest'
import { prove } from '../../oracle/prove.ts'
import { rulesOf } from '../../oracle/rules.ts'
import { Tally } from '../../oracle/tally.ts'
import { isFull, scale, seed } from '../../support/scale.ts'

test.each([7, 8, 9, 10, 11, 12])(
  'random rooms of version %i are judged and resolved as the oracle does',
  (version) => {
    const tally = new Tally()
    prove(version, scale(100, 10_000), seed(4297 + version), tally)
    const share = tally.allowed / (tally.allowed + tally.refused)
    expect(share).toBeGreaterThan(0.25)
    expect(share).toBeLessThan(0.75)
    if (isFull()) expect(tally.missing([...rulesOf(version), ...resolutionsOf(version)])).toEqual([])
  },
  scale(30_000, 600_000),
)

/** What the rooms must have come to, besides every rule. */
function resolutionsOf(version: number): string[] {
  const always = ['resolution: conflict', 'resolution: another by the letter']
  if (version === 1) return always
  const chains = ['resolution: auth difference', 'resolution: nothing left of a key']
  return [...always, ...chains, ...(version >= 12 ? ['resolution: subgraph'] : [])]
}
