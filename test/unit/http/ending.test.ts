import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { Call } from '../../../src/http/call.ts'
import { endpoint } from '../../../src/http/endpoint.ts'
import { mount } from '../../../src/http/mount.ts'
import { EitherEnding, SharedEnding } from '../../../src/util/ending.ts'
import type { Ending } from '../../../src/util/ending.ts'
import { httpDeps } from '../../support/http-deps.ts'

test('the first of two ends, is told once to each, and is listened to no longer than anybody listens', () => {
  const [one, other] = [new AbortController(), new AbortController()]
  const either = new EitherEnding(one.signal, other.signal)
  const counts = () => [one, other].map(({ signal }) => getEventListeners(signal, 'abort').length)
  let told = 0
  const [first, second] = [() => told++, () => (told += 10)]
  either.addEventListener('abort', first)
  either.addEventListener('abort', second)
  expect(counts()).toEqual([1, 1])
  either.removeEventListener('abort', second)
  either.removeEventListener('abort', second)
  expect(counts()).toEqual([1, 1])
  other.abort(new Error('enough'))
  expect([told, either.aborted, either.reason]).toEqual([1, true, new Error('enough')])
  either.removeEventListener('abort', first)
  expect(counts()).toEqual([0, 0])
})

test('what many listen to is listened to once, and does not tell those who left', () => {
  const control = new AbortController()
  const shared = new SharedEnding(control.signal)
  const told: number[] = []
  const listeners = [0, 1, 2].map((number) => () => {
    told.push(number)
    shared.removeEventListener('abort', listeners[2] as () => void)
  })
  for (const listener of listeners) shared.addEventListener('abort', listener)
  expect([shared.listening, getEventListeners(control.signal, 'abort').length]).toEqual([3, 1])
  control.abort()
  expect([told, shared.listening]).toEqual([[0, 1], 2])
})

const never: Ending = { aborted: false, reason: undefined, addEventListener() {}, removeEventListener() {} }
const call: Call = {
  method: 'GET',
  target: '/_matrix/client/v3/wait',
  address: '127.0.0.1',
  body: null,
  header: () => undefined,
  headerValues: () => [],
  gone: () => never,
}

test('requests that waited leave nothing behind on what tells that the server stops', { timeout: 60_000 }, async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const stopping = new AbortController()
  const wait = endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/wait',
    auth: 'none',
    limit: 'none',
    async handle({ request: { signal } }) {
      const fn = () => {}
      signal.addEventListener('abort', fn)
      await Promise.resolve()
      signal.removeEventListener('abort', fn)
      return {}
    },
  })
  const app = mount(httpDeps({}, { stopping: stopping.signal }), [wait])
  const used = async () => {
    for (let i = 0; i < 10_000; i++) expect((await app.answer(call)).status).toBe(200)
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    return process.memoryUsage().heapUsed
  }
  await used()
  const before = await used()
  const after = await used()
  expect(getEventListeners(stopping.signal, 'abort').length).toBe(1)
  // a listener of each would be more than 50 bytes
  expect(after - before).toBeLessThan(500_000)
})
