import { expect, test } from 'vitest'
import { InboundTransactions } from '../../../src/federation/inbound.ts'
import type { ServerName } from '../../../src/protocol/ids.ts'
import { silentLog } from '../../../src/util/log.ts'
import { engines, makePlace } from '../../support/store.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const a = 'a.test' as ServerName
const b = 'b.test' as ServerName

test.each(engines)(
  '%s: a repeated transaction is answered as before, also after a restart, and applied once',
  async (engine) => {
    await using place = await makePlace(engine)
    const clock = new VirtualClock()
    const database = await place.open()
    const inbound = new InboundTransactions({ database, clock, log: silentLog })
    let applied = 0
    const apply = async () => ({ pdus: { $e: {} }, n: ++applied })
    const answers = await Promise.all(Array.from({ length: 20 }, () => inbound.receive(a, 't1', apply)))
    expect(applied).toBe(1)
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    await inbound.receive(b, 't1', apply)
    await inbound.receive(a, 't2', apply)
    expect(applied).toBe(3)
    await database.close()
    const again = new InboundTransactions({ database: await place.open(), clock, log: silentLog })
    expect(await again.receive(a, 't1', apply)).toEqual({ pdus: { $e: {} }, n: 1 })
    expect(applied).toBe(3)
  },
)

test('a transaction that could not be applied is applied when it comes again', async () => {
  await using place = await makePlace('sqlite')
  const inbound = new InboundTransactions({ database: await place.open(), clock: new VirtualClock(), log: silentLog })
  await expect(inbound.receive(a, 't', () => Promise.reject(new Error('disk full')))).rejects.toThrow('disk full')
  expect(await inbound.receive(a, 't', async () => ({ pdus: {} }))).toEqual({ pdus: {} })
})

test('one origin’s transactions are applied one after the other, and keep no other origin waiting', async () => {
  await using place = await makePlace('sqlite')
  const inbound = new InboundTransactions({ database: await place.open(), clock: new VirtualClock(), log: silentLog })
  const order: string[] = []
  let release = () => {}
  const slow = new Promise<void>((resolve) => (release = resolve))
  const first = inbound.receive(a, 't1', async () => {
    await slow
    order.push('a1')
    return {}
  })
  const others = Array.from({ length: 30 }, (_, i) =>
    inbound.receive(a, `t${i + 2}`, async () => (order.push(`a${i + 2}`), {})),
  )
  await inbound.receive(b, 't1', async () => (order.push('b1'), {}))
  expect(order).toEqual(['b1'])
  release()
  await Promise.all([first, ...others])
  expect(order.slice(1)).toEqual(Array.from({ length: 31 }, (_, i) => `a${i + 1}`))
})
