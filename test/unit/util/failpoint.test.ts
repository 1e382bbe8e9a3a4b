import { expect, test } from 'vitest'
import { failpointFrom } from '../../../src/util/failpoint.ts'

test('without the variable there is none', () => {
  expect(failpointFrom({}, () => {})).toBeUndefined()
  expect(failpointFrom({ LETHE_FAILPOINT: '' }, () => {})).toBeUndefined()
})

test.each([
  ['erasure:after:CENSUS', ['erasure:before:CENSUS', 'erasure:after:CENSUS'], 2],
  ['send:appended@3', ['send:appended', 'send:stored', 'send:appended', 'send:appended'], 4],
  ['migration@2', ['migration:1.0 statement 0', 'migrations', 'migration:1.0 statement 1'], 3],
  ['send', ['sender', 'resend:appended', 'send:appended'], 3],
])('%s kills once, at the point that is meant', (wanted, passed, at) => {
  const killed: number[] = []
  let count = 0
  const failpoint = failpointFrom({ LETHE_FAILPOINT: wanted }, () => killed.push(count))
  for (const name of [...passed, ...passed.slice(0, 1)]) {
    count++
    failpoint?.(name)
  }
  expect(killed).toEqual([at])
})
