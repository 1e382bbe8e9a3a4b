import { expect, test } from 'vitest'
import type { ReplyEvent } from '../support/reply.ts'
import { RoomsWorld, type WorldUser } from '../support/rooms-world.ts'

const part = encodeURIComponent
let txn = 0

const say = async (user: WorldUser, roomId: string, body: string): Promise<string> =>
  (await user.ok('PUT', `/rooms/${part(roomId)}/send/m.room.message/t${++txn}`, { msgtype: 'm.text', body })).event_id

const setTopic = (user: WorldUser, roomId: string, topic: string) =>
  user.ok('PUT', `/rooms/${part(roomId)}/state/m.room.topic/`, { topic })

/** The texts of a room as a user sees them, oldest first. */
async function texts(user: WorldUser, roomId: string): Promise<string[]> {
  const { chunk } = await user.ok('GET', `/rooms/${part(roomId)}/messages?dir=b&limit=500`)
  return chunk
    .filter(({ type, content }) => type === 'm.room.message' && content.body !== undefined)
    .map(({ content }) => content.body as string)
    .toReversed()
}

/** The state of a room without what differs by reader: event ids by type and state key. */
async function stateOf(user: WorldUser, roomId: string): Promise<Record<string, string>> {
  const events = await user.ok<ReplyEvent[]>('GET', `/rooms/${part(roomId)}/state`)
  const entries = events.map(({ type, state_key, event_id }) => [`${type} ${state_key}`, event_id] as const)
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

async function room(world: RoomsWorld, options: object = {}) {
  const alice = await world.server('a.test').user('alice')
  const bob = await world.server('b.test').user('bob')
  const { room_id: roomId } = await alice.ok('POST', '/createRoom', { preset: 'public_chat', ...options })
  await bob.ok('POST', `/join/${part(roomId)}?server_name=a.test`, {})
  return { alice, bob, roomId: roomId as string }
}

const soon = { timeout: 20_000, interval: 100 }

test.each(['6', '11', '12'])('room version %s: messages go both ways, in order, each once', async (version) => {
  await using world = await RoomsWorld.start('a.test', 'b.test')
  const { alice, bob, roomId } = await room(world, { room_version: version })
  const expected: string[] = []
  for (let i = 0; i < 10; i++) {
    await say(alice, roomId, `a${i}`)
    await expect.poll(() => texts(bob, roomId), soon).toContain(`a${i}`)
    await say(bob, roomId, `b${i}`)
    expected.push(`a${i}`, `b${i}`)
    await expect.poll(() => texts(alice, roomId), soon).toContain(`b${i}`)
  }
  expect(await texts(alice, roomId)).toEqual(expected)
  expect(await texts(bob, roomId)).toEqual(expected)
})

test('a burst of 300 messages arrives whole and in order', async () => {
  await using world = await RoomsWorld.start('a.test', 'b.test')
  const { alice, bob, roomId } = await room(world)
  const expected: string[] = []
  for (let i = 0; i < 300; i++) {
    await say(alice, roomId, `${i}`)
    expected.push(`${i}`)
  }
  await expect.poll(() => texts(bob, roomId), soon).toContain('299')
  expect(await texts(bob, roomId)).toEqual(expected)
})

test('a ban on one server beats a concurrent topic change on the other', async () => {
  await using world = await RoomsWorld.start('a.test', 'b.test')
  const { alice, bob, roomId } = await room(world)
  const levels = await alice.ok('GET', `/rooms/${part(roomId)}/state/m.room.power_levels/`)
  await alice.ok('PUT', `/rooms/${part(roomId)}/state/m.room.power_levels/`, {
    ...levels,
    users: { ...levels.users, [bob.id]: 50 },
  })
  await setTopic(alice, roomId, 'before')
  await expect.poll(async () => Object.keys(await stateOf(bob, roomId)), soon).toContain('m.room.topic ')
  world.network.cut('a.test', 'b.test')
  await alice.ok('POST', `/rooms/${part(roomId)}/ban`, { user_id: bob.id })
  await setTopic(bob, roomId, 'mine now')
  world.network.heal()
  const topicOn = async (user: WorldUser) =>
    (await user.ok('GET', `/rooms/${part(roomId)}/state/m.room.topic/`)).topic as string
  await say(alice, roomId, 'are you there?')
  await expect.poll(() => topicOn(alice), soon).toBe('before')
  const member = async () =>
    (await bob.call('GET', `/rooms/${part(roomId)}/state/m.room.member/${part(bob.id)}`)).body.membership as string
  await expect.poll(member, soon).toBe('ban')
})

test('after a partition both sides have everything that was said, and the same state', async () => {
  await using world = await RoomsWorld.start('a.test', 'b.test', 'c.test')
  const { alice, bob, roomId } = await room(world)
  const carol = await world.server('c.test').user('carol')
  await carol.ok('POST', `/join/${part(roomId)}?server_name=a.test`, {})
  const users = [alice, bob, carol]
  await say(alice, roomId, 'hello')
  for (const user of users) await expect.poll(() => texts(user, roomId), soon).toContain('hello')
  for (const cut of [
    ['a.test', 'b.test'],
    ['b.test', 'c.test'],
  ] as const) {
    world.network.cut(cut[0], cut[1])
    for (const [i, user] of users.entries())
      for (let n = 0; n < 4; n++) await say(user, roomId, `${cut.join()} ${i} ${n}`)
    await alice.ok('PUT', `/rooms/${part(roomId)}/state/org.test/${part(cut.join())}`, { by: 'alice' })
    world.network.heal()
  }
  for (const user of users) await say(user, roomId, `healed ${user.id}`)
  const all = (await Promise.all(users.map((user) => texts(user, roomId)))).flat()
  for (const user of users) {
    await expect
      .poll(async () => new Set(await texts(user, roomId)).size, soon)
      .toBe(new Set([...all, ...users.map(({ id }) => `healed ${id}`)]).size)
  }
  for (const user of users) {
    const seen = await texts(user, roomId)
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toHaveLength(1 + 2 * 12 + 3)
  }
  const state = await stateOf(alice, roomId)
  for (const user of users) await expect.poll(() => stateOf(user, roomId), soon).toEqual(state)
})

test('what was said while a server was away reaches it when it is back, redactions too', async () => {
  await using world = await RoomsWorld.start('a.test', 'b.test')
  const { alice, bob, roomId } = await room(world)
  const early = await say(alice, roomId, 'regretted')
  await expect.poll(() => texts(bob, roomId), soon).toContain('regretted')
  world.network.cut('a.test', 'b.test')
  await alice.ok('PUT', `/rooms/${part(roomId)}/redact/${part(early)}/t${++txn}`, {})
  for (let i = 0; i < 150; i++) await say(alice, roomId, `missed ${i}`)
  await expect.poll(() => texts(alice, roomId)).toHaveLength(150)
  world.network.heal()
  await expect.poll(() => texts(bob, roomId), soon).toContain('missed 149')
  await expect.poll(() => texts(bob, roomId), soon).not.toContain('regretted')
})
