import { expect, test } from 'vitest'
import { leaseMs } from '../../src/privacy/erasure/job.ts'
import { rewriteIfDeleted, rewriteWait } from '../../src/privacy/erasure/rewrite.ts'
import { requestErasure } from '../../src/privacy/erasure/request.ts'
import { eraseInboundDue } from '../../src/privacy/inbound/erase-inbound.ts'
import { receiveErasure } from '../../src/privacy/inbound/receive-erasure.ts'
import type { ServerName, UserId } from '../../src/protocol/ids.ts'
import { findErasure, leaseErasure } from '../../src/store/erasures.ts'
import { findFact } from '../../src/store/facts.ts'
import { ErasureWorld } from '../support/erasure-world.ts'
import { engines } from '../support/store.ts'

const zoe: UserId = '@zoe:b.test'
const fromB = 'b.test' as ServerName
const dayMs = 86_400_000

const rewritten = (world: ErasureWorld) => world.deps.database.read((conn) => findFact(conn, 'rewrite_ts'))

/** Has the world's timers wait until the function returned is called: it moves the clock to the next one, and fires it. */
function timersOf(world: ErasureWorld): () => void {
  const timers = new Set<{ atTs: number; fn: () => void }>()
  world.clock.setTimer = (ms, fn) => {
    const timer = { atTs: world.clock.nowTs + ms, fn }
    timers.add(timer)
    return () => void timers.delete(timer)
  }
  return () => {
    const next = [...timers].toSorted((a, b) => a.atTs - b.atTs)[0]
    if (next === undefined) throw new Error('nobody comes again')
    timers.delete(next)
    world.clock.nowTs = Math.max(world.clock.nowTs, next.atTs)
    next.fn()
  }
}

/** Nobody's turn comes: what is paced waits until the server stops. */
function holdSleepers(world: ErasureWorld): void {
  world.clock.sleep = (_ms, signal) =>
    new Promise((_resolve, reject) =>
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
    )
}

/** A message that counts as one of zoe's, who is on another server. */
async function zoeSays(world: ErasureWorld, body: string) {
  const bob = await world.user('bob')
  const message = await world.say(await world.room(bob), bob, body)
  await world.sql(`update events set sender_nid = ${await world.nidOf(zoe)}, local = 0 where event_id = '${message}'`)
  return message
}

test('P10: the rewrite follows the deletion also where the clock moves on while the database is asked', async () => {
  await using world = await ErasureWorld.start({ inbound: { quarantine: '0s' } })
  await zoeSays(world, 'CANARY')
  world.clock.now = () => ++world.clock.nowTs
  await receiveErasure(world.deps, fromB, zoe)
  await eraseInboundDue(world.deps, new AbortController().signal)
  expect(await rewriteIfDeleted(world.deps)).toBeUndefined()
  expect(await rewritten(world)).toBeDefined()
  expect(await world.bytes()).not.toContain('CANARY')
})

test('when a rewrite is due', () => {
  const at = (hour: number) => Date.UTC(2026, 0, 5, hour)
  const deadlineTs = at(0) + 30 * dayMs
  const wait = (now: number, last: number, everyMs: number, window: string | null = null, until = deadlineTs) =>
    rewriteWait({ everyMs, window }, { now, last, deadlineTs: until })
  expect(wait(at(3), at(2), 0)).toBeUndefined()
  expect(wait(at(3), at(2), dayMs)).toBe(at(26))
  expect(wait(at(26), at(2), dayMs)).toBeUndefined()
  expect(wait(at(12), at(0), 0, '02:00-05:00')).toBe(at(26))
  expect(wait(at(3), at(0), 0, '02:00-05:00')).toBeUndefined()
  // the promise comes before the window
  expect(wait(at(12), at(11), dayMs, '02:00-05:00', at(17))).toBeUndefined()
})

test('what waits is done at its time, though nobody wakes it', async () => {
  await using world = await ErasureWorld.start({ inbound: { quarantine: '7d' }, rewrite: { every: '24h' } })
  const message = await zoeSays(world, 'CANARY')
  const pass = timersOf(world)
  world.worksByItself = true
  await world.restart()
  world.deps.eraser.start(world.deps)
  await world.deps.eraser.settled()
  await receiveErasure(world.deps, fromB, zoe)
  const start = world.clock.nowTs
  const passUntil = async (isDone: () => Promise<boolean>) => {
    while (!(await isDone())) {
      await world.deps.eraser.settled()
      pass()
      await world.deps.eraser.settled()
    }
  }
  world.clock.nowTs += 7 * dayMs - 10_000
  await passUntil(async () => !(await world.json(message)).includes('CANARY'))
  // to the second, not at the next minute
  expect(world.clock.nowTs - start).toBeLessThan(7 * dayMs + 1_000)
  await passUntil(async () => (await rewritten(world)) !== undefined)
  expect(await world.bytes()).not.toContain('CANARY')
})

test('a long erasure holds up neither another one, nor one that another server asks for', async () => {
  await using world = await ErasureWorld.start({
    inbound: { quarantine: '0s' },
    rates: { per_room: '1/s', total: '1/s' },
  })
  world.worksByItself = true
  await world.restart()
  const zoes = await zoeSays(world, 'CANARY-zoe')
  const writers: UserId[] = []
  for (let i = 0; i < 6; i++) {
    const writer = await world.user(`writer${i}`)
    const room = await world.room(writer)
    for (let n = 0; n < 5; n++) await world.say(room, writer, `message ${n}`)
    writers.push(writer)
  }
  // every redaction but the first waits
  holdSleepers(world)
  world.deps.eraser.start(world.deps)
  for (const userId of writers) await requestErasure(world.deps, { userId, by: 'self' })
  await receiveErasure(world.deps, fromB, zoe)
  await expect
    .poll(
      async () => {
        const rows = await Promise.all(
          writers.map((_, i) => world.deps.database.read((conn) => findErasure(conn, i + 1))),
        )
        return rows.filter((row) => row?.scrubbed_ts !== null).length
      },
      { timeout: 20_000 },
    )
    .toBe(writers.length)
  await expect.poll(() => world.json(zoes), { timeout: 20_000 }).not.toContain('CANARY')
  await expect.poll(() => rewritten(world), { timeout: 20_000 }).toBeDefined()
})

test('a lease lasts 10 s, and is renewed as long as its worker lives', async () => {
  await using world = await ErasureWorld.start({ rates: { per_room: '1/s', total: '1/s' } })
  world.worksByItself = true
  await world.restart()
  const pass = timersOf(world)
  holdSleepers(world)
  const alice = await world.user('alice')
  const room = await world.room(alice)
  for (let n = 0; n < 5; n++) await world.say(room, alice, `message ${n}`)
  world.deps.eraser.start(world.deps)
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  const row = () => world.deps.database.read((conn) => findErasure(conn, 1))
  await expect.poll(async () => (await row())?.state, { timeout: 20_000 }).toBe('REDACT')
  const fence = (await row())?.fence
  const start = world.clock.nowTs
  while (world.clock.nowTs < start + 50_000) {
    pass()
    await expect
      .poll(async () => ((await row())?.lease_until_ts ?? 0) - world.clock.nowTs, { timeout: 20_000 })
      .toBeGreaterThan(9_000)
    expect(((await row())?.lease_until_ts ?? 0) - world.clock.nowTs).toBeLessThanOrEqual(10_000)
  }
  expect((await row())?.fence).toBe(fence)
})

test.runIf(engines.includes('postgres'))(
  'on PostgreSQL what a killed process had is taken within 10 s, and not sooner',
  async () => {
    await using world = await ErasureWorld.start({}, 'postgres')
    const alice = await world.user('alice')
    await world.say(await world.room(alice), alice, 'CANARY')
    await requestErasure(world.deps, { userId: alice, by: 'self' })
    // the other process: what it leaves behind is a lease
    const killedTs = world.clock.nowTs
    await world.deps.database.write((tx) => leaseErasure(tx, 1, killedTs, killedTs + leaseMs))
    world.worksByItself = true
    await world.restart()
    const pass = timersOf(world)
    world.deps.eraser.start(world.deps)
    const row = () => world.deps.database.read((conn) => findErasure(conn, 1))
    const taken: number[] = []
    for (let i = 0; i < 40; i++) {
      await world.deps.eraser.settled()
      const now = await row()
      if (now?.fence !== 1) taken.push(world.clock.nowTs)
      if (now?.settled_ts !== null) break
      pass()
    }
    expect((await row())?.settled_ts).not.toBeNull()
    expect((taken[0] ?? 0) - killedTs).toBeGreaterThanOrEqual(10_000)
    expect((taken[0] ?? Infinity) - killedTs).toBeLessThan(10_500)
  },
)
