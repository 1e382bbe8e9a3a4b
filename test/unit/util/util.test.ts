import { expect, test } from 'vitest'
import { backoffMs } from '../../../src/util/backoff.ts'
import { Allowance, Budget, Budgets } from '../../../src/util/budget.ts'
import { KeyedMutex, Mutex } from '../../../src/util/mutex.ts'
import { systemClock, systemRandom } from '../../../src/util/system-ports.ts'
import { FakeClock } from '../../support/clock.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a mutex lets one in at a time, in order, also after a failure', async () => {
  const mutex = new Mutex()
  const log: string[] = []
  const enter = (name: string, fails = false) =>
    mutex.run(async () => {
      log.push(`+${name}`)
      await turn()
      log.push(`-${name}`)
      if (fails) throw new Error(name)
    })
  await Promise.allSettled([enter('a'), enter('b', true), enter('c')])
  expect(log).toEqual(['+a', '-a', '+b', '-b', '+c', '-c'])
  expect(mutex.size).toBe(0)
})

test('mutexes of different keys do not wait for each other', async () => {
  const mutexes = new KeyedMutex<string>()
  const log: string[] = []
  const enter = (key: string, name: string) =>
    mutexes.run(key, async () => {
      log.push(`+${name}`)
      await turn()
      log.push(`-${name}`)
    })
  await Promise.all([enter('x', 'a'), enter('y', 'b'), enter('x', 'c')])
  expect(log.slice(0, 2)).toEqual(['+a', '+b'])
  expect(log.indexOf('+c')).toBeGreaterThan(log.indexOf('-a'))
})

test('backoff doubles up to its limit', () => {
  const backoff = { initialMs: 30, maxMs: 100 }
  expect([1, 2, 3, 50].map((failures) => backoffMs(backoff, failures))).toEqual([30, 60, 100, 100])
  const jittered = backoffMs({ ...backoff, jitter: 0.5 }, 2, systemRandom)
  expect(jittered).toBeGreaterThanOrEqual(30)
  expect(jittered).toBeLessThanOrEqual(60)
})

test('a budget gives its burst, then its rate, and says how long to wait', () => {
  const clock = new FakeClock()
  const budget = new Budget({ burst: 2, perSecond: 0.1 }, clock)
  expect([budget.take(), budget.take(), budget.take()]).toEqual([0, 0, 10_000])
  clock.advance(10_000)
  expect(budget.take()).toBe(0)
  expect(budget.take()).toBe(10_000)
  expect(budget.take(3)).toBe(Infinity)
})

test('budgets by key stay bounded', () => {
  const clock = new FakeClock()
  const budgets = new Budgets({ burst: 1, perSecond: 1 }, clock, 100)
  for (let i = 0; i < 1_000; i++) expect(budgets.take(`k${i}`)).toBe(0)
  expect(budgets.take('k999')).toBe(1_000)
})

test('an allowance is used up once', () => {
  const allowance = new Allowance(2)
  expect([allowance.spend(), allowance.spend(), allowance.spend(), allowance.left]).toEqual([true, true, false, 0])
})

test('the system clock sleeps, and stops at a signal', async () => {
  const before = systemClock.monotonic()
  await systemClock.sleep(20)
  expect(systemClock.monotonic() - before).toBeGreaterThanOrEqual(15)
  const stop = new AbortController()
  const sleeping = systemClock.sleep(60_000, stop.signal)
  stop.abort(new Error('stopped'))
  await expect(sleeping).rejects.toThrow('stopped')
  await expect(systemClock.sleep(1, stop.signal)).rejects.toThrow('stopped')
})
