import { expect, test } from 'vitest'
import { requestErasure } from '../../src/privacy/erasure/request.ts'
import { cancelErasure } from '../../src/privacy/erasure/operate.ts'
import { getErasure, showErasure, showReceipt } from '../../src/privacy/erasure/show.ts'
import { workOn } from '../../src/privacy/erasure/worker.ts'
import type { EventId } from '../../src/protocol/ids.ts'
import { findEventById } from '../../src/store/events.ts'
import { findErasure, listErasures } from '../../src/store/erasures.ts'
import { ErasureWorld } from '../support/erasure-world.ts'

const points = [
  'erasure:after:JOURNAL',
  'erasure:after:LOCKED',
  'erasure:before:SCRUB',
  'erasure:after:CENSUS',
  'erasure:before:REDACT',
  'erasure:after:SCRUB',
  'erasure:in:REDACT',
  'erasure:before:PART',
  'erasure:after:REDACT',
  'erasure:before:COLLECT',
  'erasure:after:PART',
  'erasure:in:COLLECT:pruned',
  'erasure:in:COLLECT:files',
  'erasure:in:COLLECT:rewritten',
  'erasure:before:SETTLED',
  'erasure:after:COLLECT',
  'erasure:before:CLOSED',
]

async function live(world: ErasureWorld) {
  const alice = await world.user('alice')
  const bob = await world.user('bob')
  const room = await world.room(bob)
  await world.join(room, alice, { displayname: 'CANARY-name' })
  await world.join(room, bob)
  const messages: EventId[] = []
  for (let i = 0; i < 5; i++) messages.push(await world.say(room, alice, `CANARY-${i}`))
  await world.upload(alice, 'CANARY-file')
  await world.host(room, 'b.test')
  return { alice, bob, room, messages }
}

test.each(points)('killed at %s, the job goes on and ends the same', async (point) => {
  await using world = await ErasureWorld.start()
  const { alice, messages } = await live(world)
  world.failAt = point
  const request = requestErasure(world.deps, { userId: alice, by: 'self' })
  if (point === 'erasure:after:JOURNAL') await expect(request).rejects.toThrow('killed')
  else {
    await request.catch(() => undefined)
    await world
      .work(1, ({ state }) => state === 'CLOSED')
      .catch((error: Error) => expect(error.message).toContain('killed'))
  }
  expect(world.passed).toContain(point)
  await world.restart()
  await world.work(1, ({ state }) => state === 'CLOSED')
  const view = await showErasure(world.deps, await getErasure(world.deps, alice))
  expect(view).toMatchObject({ state: 'CLOSED', content: 'gone', counts: { redacted: 5, deleted: { media: 1 } } })
  expect(view.certificate).not.toBeNull()
  for (const id of messages)
    expect(await world.deps.database.read((conn) => findEventById(conn, id))).toMatchObject({
      redacted_by: expect.any(Number) as number,
    })
  expect(await world.bytes()).not.toContain('CANARY')
  expect(world.told.filter((line) => line.startsWith('b.test'))).toHaveLength(1)
})

test('two workers at once do everything once', async () => {
  await using world = await ErasureWorld.start()
  const { alice } = await live(world)
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  const signal = new AbortController().signal
  for (let i = 0; i < 30; i++) {
    const row = await world.deps.database.read((conn) => findErasure(conn, 1))
    if (row?.state === 'SETTLED' || row?.state === 'CLOSED') break
    const waits = await Promise.all([workOn(world.deps, 1, { signal }), workOn(world.deps, 1, { signal })])
    world.clock.nowTs += Math.max(1, ...waits.map((ts) => (ts ?? 0) - world.clock.nowTs))
  }
  const view = await showErasure(world.deps, await getErasure(world.deps, alice))
  expect(view).toMatchObject({ settled_ts: expect.any(Number) as number, counts: { redacted: 5 } })
})

test('a worker that lost its lease writes nothing more', async () => {
  await using world = await ErasureWorld.start()
  const { alice } = await live(world)
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  const { writeFor } = await import('../../src/privacy/erasure/job.ts')
  const { leaseErasure } = await import('../../src/store/erasures.ts')
  const now = world.clock.now()
  const first = await world.deps.database.write((tx) => leaseErasure(tx, 1, now, now + 1000))
  const second = await world.deps.database.write((tx) => leaseErasure(tx, 1, now + 2000, now + 3000))
  expect([first, second]).toEqual([1, 2])
  const job = { nid: 1, id: 'x', fence: 1, signal: new AbortController().signal } as Parameters<typeof writeFor>[1]
  await expect(writeFor(world.deps, job, async () => 'done')).rejects.toMatchObject({ name: 'LostLease' })
})

test('a restored backup serves nobody before the erasure is done again, with its T0', async () => {
  await using world = await ErasureWorld.start()
  const { alice, messages } = await live(world)
  const putBack = await world.backup()
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  await world.work()
  const [before] = await world.deps.database.read(listErasures)
  await putBack()
  world.clock.nowTs += 86_400_000
  world.told.length = 0
  await world.open()
  const nid = await world.nidOf(alice)
  expect(world.deps.erased.of(nid)).toMatchObject({ erasedTs: before?.locked_ts, mode: 'redact' })
  const [after] = await world.deps.database.read(listErasures)
  expect(after).toMatchObject({
    id: before?.id,
    state: 'REDACT',
    locked_ts: before?.locked_ts,
    receipt_hash: before?.receipt_hash,
  })
  await world.work()
  expect(await world.json(messages[0]!)).not.toContain('CANARY')
  expect(await world.bytes()).not.toContain('CANARY')
  // b.test had acknowledged, and the journal knows it
  expect(world.told).toEqual([])
})

test('a journal that is behind the database stops the start, unless its loss is accepted', async () => {
  await using world = await ErasureWorld.start()
  const { alice } = await live(world)
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  await world.close()
  const { rmSync } = await import('node:fs')
  rmSync(world.deps.journal.file.path)
  await expect(world.open()).rejects.toThrow('--accept-journal-loss')
  await world.open({ acceptsLoss: true })
  expect(world.deps.journal.file.after(0).map(({ entry }) => entry.kind)).toEqual(['erasure'])
  await world.restart()
  await world.work()
})

test('an erasure whose COMMIT was not heard of is an erasure, with its receipt, and its line of the journal counts', async () => {
  await using world = await ErasureWorld.start()
  const { alice } = await live(world)
  const putBack = await world.backup()
  const { database } = world.deps
  let isLost = false
  const deaf = new Proxy(database, {
    get: (target, key) => {
      const member = Reflect.get(target, key, target) as unknown
      if (typeof member !== 'function') return member
      if (key !== 'write' || isLost) return member.bind(target) as unknown
      return async (...args: Parameters<typeof database.write>) => {
        isLost = true
        await target.write(...args)
        throw new Error('the connection was lost')
      }
    },
  })
  const { receipt } = await requestErasure({ ...world.deps, database: deaf }, { userId: alice, by: 'self' })
  expect(isLost).toBe(true)
  expect((await showReceipt(world.deps, receipt ?? '')).state).toBe('LOCKED')
  expect(world.deps.journal.file.after(0).map(({ entry }) => entry.kind)).toEqual(['erasure'])
  await putBack()
  await world.open()
  expect(world.deps.erased.of(await world.nidOf(alice))).toBeDefined()
})

test('a cancellation whose COMMIT failed is void', async () => {
  await using world = await ErasureWorld.start({ delay: '5d' })
  const { alice } = await live(world)
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  const row = await getErasure(world.deps, alice)
  const decision = { actor: 'operator', reason: 'a thief asked' }
  // a value that no statement takes
  const broken = { ...decision, reason: 1n as unknown as string }
  await expect(cancelErasure(world.deps, row, broken)).rejects.toThrow('cannot be bound')
  expect(world.deps.journal.file.after(0).map(({ entry }) => entry.kind)).toEqual(['erasure', 'cancellation', 'void'])
  await cancelErasure(world.deps, row, decision)
})
