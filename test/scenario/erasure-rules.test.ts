import { expect, test } from 'vitest'
import { FederationError } from '../../src/federation/errors.ts'
import { issueCertificate } from '../../src/privacy/erasure/certificate.ts'
import { DeadlineWatch } from '../../src/privacy/erasure/deadline.ts'
import { judgeFailure } from '../../src/privacy/erasure/forward.ts'
import { cancelErasure, holdErasure, releaseErasure, retryErasure } from '../../src/privacy/erasure/operate.ts'
import { requestErasure } from '../../src/privacy/erasure/request.ts'
import { nextInWindow } from '../../src/privacy/erasure/rewrite.ts'
import { getErasure, showErasure } from '../../src/privacy/erasure/show.ts'
import { eraseInboundDue } from '../../src/privacy/inbound/erase-inbound.ts'
import { receiveErasure } from '../../src/privacy/inbound/receive-erasure.ts'
import { searchPerson } from '../../src/privacy/verify/search-tables.ts'
import { searchFiles } from '../../src/privacy/verify/search-files.ts'
import type { ServerName, UserId } from '../../src/protocol/ids.ts'
import { findErasure } from '../../src/store/erasures.ts'
import { ErasureWorld } from '../support/erasure-world.ts'
import { engines } from '../support/store.ts'
import type { Place } from '../support/store.ts'

const server = (name: string) => name as ServerName
const dayMs = 86_400_000

test('the ledger: what each answer means', () => {
  const lockedTs = 1_000_000_000_000
  const refused = (status: number, retryAfterMs?: number) =>
    new FederationError('refused', server('b.test'), 'x', { status, errcode: undefined, body: undefined, retryAfterMs })
  const at = (error: unknown, attempts = 1, now = lockedTs) => judgeFailure(error, { now, attempts, lockedTs })
  for (const status of [404, 405, 501])
    expect(at(refused(status))).toMatchObject({ state: 'unsupported', nextTs: lockedTs + 30 * dayMs })
  expect(at(refused(403)).state).toBe('refused')
  expect(at(refused(429, 5_000))).toMatchObject({ state: 'pending', nextTs: lockedTs + 5_000 })
  expect(at(refused(500))).toMatchObject({ state: 'pending', nextTs: lockedTs + 600_000 })
  expect(at(new FederationError('bad_answer', server('b.test'), 'HTML'), 2)).toMatchObject({
    state: 'pending',
    nextTs: lockedTs + 1_200_000,
  })
  expect(at(new FederationError('unreachable', server('b.test'), 'away'), 30).nextTs).toBe(lockedTs + 7 * dayMs)
  expect(at(refused(404), 1, lockedTs + 170 * dayMs).nextTs).toBe(lockedTs + 180 * dayMs)
})

test('P9: a peer that is away is told later, one that does not know the request is asked monthly, all ends at 180 days', async () => {
  await using world = await ErasureWorld.start()
  const alice = await world.user('alice')
  const room = await world.room(alice)
  for (const name of ['away.test', 'old.test', 'no.test', 'good.test']) await world.host(room, name)
  world.answers.set('away.test', 'unreachable').set('old.test', 404).set('no.test', 403)
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  await world.work(1, ({ state }) => state === 'SETTLED')
  const states = async () =>
    Object.fromEntries(
      (await showErasure(world.deps, await getErasure(world.deps, alice))).peers.map(({ host, state }) => [
        host,
        state,
      ]),
    )
  expect(await states()).toEqual({
    'away.test': 'pending',
    'old.test': 'unsupported',
    'no.test': 'refused',
    'good.test': 'acknowledged',
  })
  expect(world.alarms.some((text) => text.includes('refuses'))).toBe(true)
  await world.work(1, ({ state }) => state === 'CLOSED').catch(() => undefined)
  world.clock.nowTs += 181 * dayMs
  await world.work(1, ({ state }) => state === 'CLOSED')
  expect(await states()).toEqual({
    'away.test': 'expired',
    'old.test': 'unsupported',
    'no.test': 'refused',
    'good.test': 'acknowledged',
  })
  expect(world.told.filter((line) => line.startsWith('good.test'))).toHaveLength(1)
  const closed = await world.deps.database.read((conn) => findErasure(conn, 1))
  expect(closed?.closed_ts).toBeGreaterThanOrEqual((closed?.locked_ts ?? 0) + 180 * dayMs)
  const counted = (await showErasure(world.deps, await getErasure(world.deps, alice))).counts
  await retryErasure(world.deps, await getErasure(world.deps, alice), { actor: 'operator', reason: 'again' })
  expect((await showErasure(world.deps, await getErasure(world.deps, alice))).counts).toEqual(counted)
  world.answers.clear()
  await world.work(1, ({ state }) => state === 'CLOSED')
})

test('erasure.delay holds back what cannot be taken back, and until then the erasure can be called off', async () => {
  await using world = await ErasureWorld.start({ delay: '5d' })
  const alice = await world.user('alice')
  const room = await world.room(alice)
  const message = await world.say(room, alice, 'still here')
  const { id } = await requestErasure(world.deps, { userId: alice, by: 'self' })
  await world.work(1, ({ scrubbed_ts: ts }) => ts !== null)
  const row = await getErasure(world.deps, id)
  expect(row.state).toBe('SCRUB')
  expect(await world.json(message)).toContain('still here')
  await cancelErasure(world.deps, row, { actor: 'operator', reason: 'a thief asked' })
  const nid = await world.nidOf(alice)
  expect(world.deps.erased.of(nid)).toBeUndefined()
  await world.restart()
  expect(world.deps.erased.of(nid)).toBeUndefined()
  expect((await getErasure(world.deps, id)).state).toBe('CANCELLED')
  await expect(
    cancelErasure(world.deps, await getErasure(world.deps, id), { actor: 'operator', reason: 'x' }),
  ).rejects.toMatchObject({ errcode: 'M_BAD_STATE' })
  // and it can be asked for again
  const second = await requestErasure(world.deps, { userId: alice, by: 'operator', reason: 'it was her after all' })
  expect(second.id).not.toBe(id)
})

test('P19: a legal hold stops the deletion and not the pruning', async () => {
  await using world = await ErasureWorld.start()
  const alice = await world.user('alice')
  const room = await world.room(alice)
  const message = await world.say(room, alice, 'evidence')
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  const decision = { actor: 'operator', reason: 'court order' }
  await holdErasure(world.deps, await getErasure(world.deps, alice), decision)
  await world.work(1, () => false).catch(() => undefined)
  expect(await world.json(message)).toContain('evidence')
  expect(world.deps.erased.of(await world.nidOf(alice))).toBeDefined()
  await releaseErasure(world.deps, await getErasure(world.deps, alice), decision)
  await world.work()
  expect(await world.json(message)).not.toContain('evidence')
})

test('a missed deadline takes nothing back: neither a hold nor the end of the job', async () => {
  await using world = await ErasureWorld.start()
  const alice = await world.user('alice')
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  const before = await getErasure(world.deps, alice)
  await holdErasure(world.deps, before, { actor: 'operator', reason: 'court order' })
  world.clock.nowTs += 31 * dayMs
  // as it was read before the hold
  await new DeadlineWatch().look(world.deps, before)
  expect((await getErasure(world.deps, alice)).state).toBe('HELD')
  await releaseErasure(world.deps, before, { actor: 'operator', reason: 'over' })
  const late = await getErasure(world.deps, alice)
  await new DeadlineWatch().look(world.deps, late)
  expect(await getErasure(world.deps, alice)).toMatchObject({ state: 'STUCK', resume_state: 'LOCKED' })
  const settled = await world.work()
  await new DeadlineWatch().look(world.deps, { ...late, state: settled.state })
  expect((await getErasure(world.deps, alice)).state).toBe(settled.state)
})

test.skipIf(!engines.includes('postgres'))('certificates issued by two processes at once are one chain', async () => {
  await using world = await ErasureWorld.start({}, 'postgres')
  const other = await (world.place as Place).open()
  const jobs = []
  for (const name of ['alice', 'bob']) {
    const userId = await world.user(name)
    await requestErasure(world.deps, { userId, by: 'self' })
    const { erasure_nid: nid, id } = await getErasure(world.deps, userId)
    jobs.push({ nid, id, userId, mode: 'redact', lockedTs: 1 } as const)
  }
  const [first, second] = jobs as [(typeof jobs)[0], (typeof jobs)[0]]
  let isIssued = () => {}
  const issued = new Promise<void>((resolve) => (isIssued = resolve))
  await Promise.all([
    world.deps.database.write(async (tx) => {
      await issueCertificate(tx, world.deps, first, 1)
      isIssued()
      await new Promise((resolve) => setTimeout(resolve, 300))
    }),
    issued.then(() => other.write((tx) => issueCertificate(tx, world.deps, second, 1))),
  ])
  const views = await Promise.all(jobs.map(async ({ id }) => showErasure(world.deps, await getErasure(world.deps, id))))
  const previous = views.map(({ certificate }) => (certificate as { previous: string | null }).previous)
  expect(previous.filter((hash) => hash === null)).toHaveLength(1)
})

test('events that cannot be redacted are pruned here and counted', async () => {
  await using world = await ErasureWorld.start()
  const alice = await world.user('alice')
  const bob = await world.user('bob')
  const left = await world.room(bob)
  await world.join(left, alice)
  const gone = await world.say(left, alice, 'from a room that she left')
  await world.send(left, { type: 'm.room.member', stateKey: alice, content: { membership: 'leave' }, sender: alice })
  const quiet = await world.room(bob)
  await world.join(quiet, alice)
  const muted = await world.say(quiet, alice, 'before she was muted')
  await world.send(quiet, {
    type: 'm.room.power_levels',
    stateKey: '',
    content: { users: { [bob]: 100 }, events_default: 50 },
    sender: bob,
  })
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  await world.work()
  for (const id of [gone, muted]) expect(await world.json(id)).not.toContain(' she ')
  const { counts } = await showErasure(world.deps, await getErasure(world.deps, alice))
  expect(counts).toMatchObject({ redacted: 0, not_redacted: { not_joined: 1, not_permitted: 1 } })
})

test.each(['1', '3', '6', '8', '10', '11', '12'])(
  'room version %s: what others redacted stays redacted, and the room goes on',
  async (version) => {
    await using world = await ErasureWorld.start()
    const alice = await world.user('alice')
    const bob = await world.user('bob')
    const room = await world.room(alice, version)
    await world.join(room, bob)
    const rude = await world.say(room, bob, 'RUDE')
    await world.send(room, { type: 'm.room.redaction', content: { reason: 'REASON' }, sender: alice, redacts: rude })
    const message = await world.say(room, alice, 'CANARY')
    await requestErasure(world.deps, { userId: alice, by: 'self' })
    await world.work()
    expect(await world.json(rude)).not.toContain('RUDE')
    expect(await world.json(message)).not.toContain('CANARY')
    await world.say(room, bob, 'still talking')
  },
)

test("P10: only the user's own server may ask, reads are pruned at once, content goes after the quarantine", async () => {
  await using world = await ErasureWorld.start({ inbound: { quarantine: '7d' } })
  const bob = await world.user('bob')
  const zoe: UserId = '@zoe:b.test'
  for (const forged of ['sub.b.test', 'b.test:8448', 'B.test', 'c.test'])
    await expect(receiveErasure(world.deps, server(forged), zoe)).rejects.toMatchObject({ errcode: 'M_FORBIDDEN' })
  const lines = () => world.deps.journal.file.lastSeq
  await receiveErasure(world.deps, server('b.test'), zoe)
  expect(lines()).toBe(0)
  // zoe's event, as if it had come from b.test
  const room = await world.room(bob)
  const message = await world.say(room, bob, 'ZOE-SAYS')
  const nid = await world.nidOf(zoe)
  await world.sql(`update events set sender_nid = ${nid}, local = 0 where event_id = '${message}'`)
  await receiveErasure(world.deps, server('b.test'), zoe)
  await receiveErasure(world.deps, server('b.test'), zoe)
  expect(lines()).toBe(1)
  expect(world.deps.erased.of(nid)).toMatchObject({ mode: 'redact' })
  await eraseInboundDue(world.deps, new AbortController().signal)
  expect(await world.json(message)).toContain('ZOE-SAYS')
  world.clock.nowTs += 7 * dayMs
  await eraseInboundDue(world.deps, new AbortController().signal)
  expect(await world.json(message)).not.toContain('ZOE-SAYS')
})

test('verify finds what is left, in tables and in bytes, and is content after the erasure', async () => {
  await using world = await ErasureWorld.start()
  const alice = await world.user('alice')
  const bob = await world.user('bob')
  const room = await world.room(bob)
  await world.join(room, alice, { displayname: 'Alice Liddell' })
  await world.say(room, alice, 'a secret sentence')
  await world.say(room, bob, 'as Alice Liddell said')
  const look = async () => {
    const tables = await searchPerson(world.deps, alice, ['Alice Liddell', 'a secret sentence'])
    const files = await searchFiles(world.deps.config, alice, ['Alice Liddell', 'a secret sentence'], tables)
    return [...tables.found, ...files]
  }
  expect((await look()).some(({ what, may_be: may }) => what === 'also:2' && !may)).toBe(true)
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  await world.work()
  await world.restart()
  const left = await look()
  expect(left.filter(({ may_be: may }) => !may)).toEqual([])
  expect(left.some(({ what }) => what === 'also:2')).toBe(false)
  expect(left).toContainEqual(
    expect.objectContaining({ where: 'events.json', what: 'also:1', why: 'written by somebody else' }),
  )
  await world.sql(
    `insert into profiles (user_nid, field, value) values (${await world.nidOf(alice)}, 'displayname', '"Alice Liddell"')`,
  )
  expect((await look()).some(({ where, may_be: may }) => where.startsWith('profiles') && !may)).toBe(true)
})

test('a deadline that is missed is an alarm, never silence', async () => {
  await using world = await ErasureWorld.start({ delay: '1d', deadline: '2d' })
  const alice = await world.user('alice')
  await requestErasure(world.deps, { userId: alice, by: 'self' })
  await world.work(1, ({ scrubbed_ts: ts }) => ts !== null)
  world.worksByItself = true
  await world.restart()
  world.clock.nowTs += 3 * dayMs
  world.deps.eraser.start(world.deps)
  await world.deps.eraser.settled()
  expect(world.alarms.some((text) => text.includes('missed its deadline'))).toBe(true)
  expect((await world.deps.database.read((conn) => findErasure(conn, 1)))?.state).toMatch(/SETTLED|CLOSED/)
})

test('the window of a rewrite', () => {
  const at = (hour: number) => Date.UTC(2026, 0, 5, hour)
  expect(nextInWindow('02:00-05:00', at(3))).toBe(at(3))
  expect(nextInWindow('02:00-05:00', at(6))).toBe(at(26))
  expect(nextInWindow('23:00-01:00', at(0))).toBe(at(0))
  expect(nextInWindow('23:00-01:00', at(2))).toBe(at(23))
})
