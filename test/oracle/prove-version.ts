import { expect } from 'vitest'
import { isFull, scale, seed } from '../support/scale.ts'
import { prove } from './prove.ts'
import { rulesOf } from './rules.ts'
import { Tally } from './tally.ts'

/** How long a version may take, in ms. */
export const proofMs = scale(30_000, 600_000)

/** Random rooms of one version are judged and resolved as the oracle does; in full, they come to every rule. */
export function proveVersion(version: number): void {
  const tally = new Tally()
  prove(version, scale(100, 10_000), seed(4297 + version), tally)
  const share = tally.allowed / (tally.allowed + tally.refused)
  expect(share).toBeGreaterThan(0.25)
  expect(share).toBeLessThan(0.75)
  if (isFull()) expect(tally.missing([...rulesOf(version), ...resolutionsOf(version)])).toEqual([])
}

/** What the rooms must have come to, besides every rule. */
function resolutionsOf(version: number): string[] {
  const always = ['resolution: conflict', 'resolution: another by the letter']
  if (version === 1) return always
  const chains = ['resolution: auth difference', 'resolution: nothing left of a key']
  return [...always, ...chains, ...(version >= 12 ? ['resolution: subgraph'] : [])]
}
