import { expect, test } from 'vitest'
import { checkDataMap } from '../../../schema/data-map.ts'
import { tables } from '../../../schema/tables/index.ts'
import { emptiedElsewhere, prunedElsewhere, scrubbedTables } from '../../../src/store/scrub.ts'

test('P15: every table of the data map has something that erases it', () => {
  expect(checkDataMap(tables)).toEqual([])
  for (const { name, map } of tables) {
    const isEmptied = scrubbedTables.includes(name) || name in emptiedElsewhere
    if (map.erasure === 'delete') expect(isEmptied, `${name} is to be deleted and nothing does it`).toBe(true)
    if (map.erasure === 'prune')
      expect(name in prunedElsewhere, `${name} is to be pruned and nothing does it`).toBe(true)
    if (map.erasure === 'keep') expect(isEmptied, `${name} is to be kept and is deleted`).toBe(false)
  }
})

test('what is said to be erased elsewhere exists', () => {
  const erasureOf = new Map<string, string>(tables.map(({ name, map }) => [name, map.erasure]))
  for (const name of Object.keys(emptiedElsewhere)) expect(erasureOf.get(name), name).toBe('delete')
  for (const name of Object.keys(prunedElsewhere)) expect(erasureOf.get(name), name).toBe('prune')
})
