import { expect, test } from 'vitest'
import { Repeated } from '../../../src/server/repeat.ts'
import { silentLog } from '../../../src/util/log.ts'
import { FakeClock } from '../../support/clock.ts'

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

test('work is repeated after each end, also after a failure, and no more once it is stopped', async () => {
  const clock = new FakeClock()
  const failures: unknown[] = []
  const repeated = new Repeated(clock, { ...silentLog, error: (_, fields) => void failures.push(fields?.['work']) })
  const runs: string[] = []
  let finish = () => {}
  repeated.once('first', async () => void runs.push('once'))
  repeated.add('sweep', 1000, async () => {
    runs.push('sweep')
    if (runs.length === 2) throw new Error('of a test')
    await new Promise<void>((resolve) => (finish = resolve))
  })
  clock.advance(999)
  await settled()
  expect(runs).toEqual(['once'])
  clock.advance(1)
  await settled()
  expect([runs, failures]).toEqual([['once', 'sweep'], ['sweep']])
  clock.advance(1000)
  clock.advance(5000)
  expect(runs.length).toBe(3)
  const stopped = repeated.stop()
  let isStopped = false
  void stopped.then(() => (isStopped = true))
  await settled()
  expect(isStopped).toBe(false)
  finish()
  await stopped
  clock.advance(10_000)
  expect(runs.length).toBe(3)
})
