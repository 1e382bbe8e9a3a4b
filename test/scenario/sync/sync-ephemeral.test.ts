import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { WorldUser } from '../../support/rooms-world.ts'
import { RoomsWorld } from '../../support/rooms-world.ts'
import { systemClock } from '../../../src/util/system-ports.ts'
import { SyncClient, bodiesOf, join, makeRoom, say, setState } from './sync-client.ts'
import type { Reply } from '../../support/reply.ts'
import { roomOf } from '../../support/reply.ts'

let world: RoomsWorld
let serial = 0
const newUser = (name: string, server = 'a.test'): Promise<WorldUser> => world.server(server).user(`${name}${++serial}`)
const room$ = encodeURIComponent
const typing = (user: WorldUser, room: string, body: object, as = user.id) =>
  user.call('PUT', `/rooms/${room$(room)}/typing/${room$(as)}`, body)
const ephemeral = (answer: Reply, room: string, type: string) =>
  answer.rooms?.join?.[room]?.ephemeral.events.find((event) => event.type === type)?.content

beforeAll(async () => {
  world = await RoomsWorld.start('a.test', 'b.test')
})
afterAll(() => world[Symbol.asyncDispose]())

describe('receipts, typing, account data', () => {
  test('receipts come once, private ones only to their user', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice)
    await join(bob, room)
    const id = await say(alice, room, 'x')
    const [a, b] = [new SyncClient(alice), new SyncClient(bob)]
    await a.sync()
    await b.sync()
    await bob.ok('POST', `/rooms/${room$(room)}/receipt/m.read.private/${room$(id)}`, {})
    expect((await a.sync()).rooms).toBeUndefined()
    expect(ephemeral(await b.sync(), room, 'm.receipt')).toEqual({
      [id]: { 'm.read.private': { [bob.id]: { ts: expect.any(Number) } } },
    })
    await bob.ok('POST', `/rooms/${room$(room)}/receipt/m.read/${room$(id)}`, { thread_id: 'main' })
    expect(ephemeral(await a.sync(), room, 'm.receipt')).toEqual({
      [id]: { 'm.read': { [bob.id]: { ts: expect.any(Number), thread_id: 'main' } } },
    })
    expect((await a.sync()).rooms).toBeUndefined()
    expect(ephemeral(await new SyncClient(alice).sync(), room, 'm.receipt')).toEqual({
      [id]: { 'm.read': { [bob.id]: { ts: expect.any(Number), thread_id: 'main' } } },
    })
    const without = await new SyncClient(alice).sync({ filter: { room: { ephemeral: { not_types: ['m.receipt'] } } } })
    expect(ephemeral(without, room, 'm.receipt')).toBeUndefined()
  })

  test('read markers set the fully-read marker, which never goes back', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice)
    await join(bob, room)
    const [one, two] = [await say(bob, room, '1'), await say(bob, room, '2')]
    const client = new SyncClient(alice)
    await client.sync()
    await alice.ok('POST', `/rooms/${room$(room)}/read_markers`, { 'm.fully_read': two, 'm.read': one })
    const section = roomOf(await client.sync(), room)
    expect(section.account_data.events).toEqual([{ type: 'm.fully_read', content: { event_id: two } }])
    expect(section.unread_notifications.notification_count).toBe(1)
    await alice.ok('POST', `/rooms/${room$(room)}/receipt/m.fully_read/${room$(one)}`, {})
    expect((await client.sync()).rooms).toBeUndefined()
    expect(await alice.ok('GET', `/user/${room$(alice.id)}/rooms/${room$(room)}/account_data/m.fully_read`)).toEqual({
      event_id: two,
    })
  })

  test('typing comes and goes', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice)
    await join(bob, room)
    const client = new SyncClient(alice)
    await client.sync()
    expect((await typing(bob, room, { typing: true, timeout: 30000 })).status).toBe(200)
    expect(ephemeral(await client.sync(), room, 'm.typing')).toEqual({ user_ids: [bob.id] })
    expect((await client.sync()).rooms).toBeUndefined()
    await typing(bob, room, { typing: false })
    expect(ephemeral(await client.sync(), room, 'm.typing')).toEqual({ user_ids: [] })
    await typing(bob, room, { typing: true, timeout: 1 })
    expect(ephemeral(await client.sync(), room, 'm.typing')).toEqual({ user_ids: [bob.id] })
    expect(ephemeral(await client.sync({ timeout: 5000 }), room, 'm.typing')).toEqual({ user_ids: [] })
    const stranger = await newUser('stranger')
    expect((await typing(stranger, room, { typing: true })).status).toBe(403)
    expect((await typing(bob, room, { typing: true }, alice.id)).status).toBe(403)
    expect((await typing(bob, room, {})).status).toBe(400)
  })

  test('receipts and typing go to other servers, private receipts do not', async () => {
    const alice = await newUser('alice')
    const peer = await newUser('peer', 'b.test')
    const room = await makeRoom(alice)
    await peer.ok('POST', `/join/${room$(room)}?server_name=a.test`, {})
    const id = await say(peer, room, 'from b')
    await world.settled(room as `!${string}`, 'a.test', 'b.test')
    const client = new SyncClient(peer)
    await client.sync()
    const until = async (type: string) => {
      for (let left = 50; left > 0; left--) {
        const found = ephemeral(await client.sync({ timeout: 200 }), room, type)
        if (found !== undefined) return found
      }
      throw new Error(`no ${type}`)
    }
    await typing(alice, room, { typing: true })
    expect(await until('m.typing')).toEqual({ user_ids: [alice.id] })
    await alice.ok('POST', `/rooms/${room$(room)}/receipt/m.read.private/${room$(id)}`, {})
    await alice.ok('POST', `/rooms/${room$(room)}/receipt/m.read/${room$(id)}`, {})
    expect(await until('m.receipt')).toEqual({ [id]: { 'm.read': { [alice.id]: { ts: expect.any(Number) } } } })
  })

  test('account data, of rooms and global, and push rules come when they change', async () => {
    const alice = await newUser('alice')
    const room = await makeRoom(alice)
    const client = new SyncClient(alice)
    await client.sync()
    await alice.ok('PUT', `/user/${room$(alice.id)}/account_data/org.example.a`, { a: 1 })
    await alice.ok('PUT', `/user/${room$(alice.id)}/rooms/${room$(room)}/tags/u.work`, { order: 0.5 })
    const answer = await client.sync()
    expect(answer.account_data.events).toEqual([{ type: 'org.example.a', content: { a: 1 } }])
    expect(roomOf(answer, room).account_data.events).toEqual([
      { type: 'm.tag', content: { tags: { 'u.work': { order: 0.5 } } } },
    ])
    expect((await client.sync()).account_data).toBeUndefined()
    await alice.ok('PUT', '/pushrules/global/content/cake', { pattern: 'cake', actions: ['notify'] })
    const rules = (await client.sync()).account_data.events
    expect(rules).toHaveLength(1)
    expect(rules[0]?.content).toMatchObject({ global: { content: [{ rule_id: 'cake' }] } })
    const first = await new SyncClient(alice).sync()
    expect(first.account_data.events.map(({ type }: { type: string }) => type).toSorted()).toEqual([
      'm.push_rules',
      'org.example.a',
    ])
    expect(roomOf(first, room).account_data.events).toHaveLength(1)
  })
})

describe('long polling', () => {
  test('waits until something comes, and no longer', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice)
    await join(bob, room)
    const client = new SyncClient(alice)
    await client.sync()
    const started = systemClock.monotonic()
    const waiting = client.sync({ timeout: 10_000 })
    await systemClock.sleep(50)
    await say(bob, room, 'wake up')
    expect(bodiesOf(await waiting, room)).toEqual(['wake up'])
    expect(systemClock.monotonic() - started).toBeLessThan(3_000)
    const empty = await client.sync({ timeout: 100 })
    expect(empty.rooms).toBeUndefined()
    expect(empty.next_batch).toBeDefined()
  })

  test('is not woken into an answer by what the reader does not get', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice)
    await join(bob, room)
    const client = new SyncClient(alice, {
      filter: { room: { timeline: { types: ['org.example.rare'] }, ephemeral: { types: [] } } },
    })
    await client.sync()
    const waiting = client.sync({ timeout: 600 })
    await say(bob, room, 'nothing for her')
    await typing(bob, room, { typing: true })
    const answer = await waiting
    expect(answer.rooms).toBeUndefined()
  })

  test('a first invite, a join elsewhere and account data wake', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const client = new SyncClient(bob)
    await client.sync()
    const invited = client.sync({ timeout: 10_000 })
    await systemClock.sleep(20)
    const room = await makeRoom(alice, { invite: [bob.id] })
    expect(Object.keys((await invited).rooms.invite)).toEqual([room])
    const joined = client.sync({ timeout: 10_000 })
    await systemClock.sleep(20)
    await join(bob, room)
    expect(Object.keys((await joined).rooms.join)).toEqual([room])
    // and from now on the room's messages do
    const waiting = client.sync({ timeout: 10_000 })
    await systemClock.sleep(20)
    await say(alice, room, 'hello')
    expect(bodiesOf(await waiting, room)).toEqual(['hello'])
    const data = client.sync({ timeout: 10_000 })
    await systemClock.sleep(20)
    await bob.ok('PUT', `/user/${room$(bob.id)}/account_data/org.example.a`, { a: 1 })
    expect((await data).account_data.events).toHaveLength(1)
  })

  test('nothing is lost between many writers and a reader', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice)
    await join(bob, room)
    await setState(alice, room, 'm.room.name', { name: 'x' })
    const client = new SyncClient(alice, { filter: { room: { timeline: { limit: 100 } } } })
    await client.sync()
    const seen: unknown[] = []
    const writers = Promise.all(
      Array.from({ length: 5 }, async (_, w) => {
        for (let i = 0; i < 20; i++) await say(bob, room, `${w}-${i}`)
      }),
    )
    let isDone = false
    void writers.then(() => (isDone = true))
    for (let idle = 0; idle < 2;) {
      const answer = await client.sync({ timeout: 50 })
      seen.push(...bodiesOf(answer, room))
      idle = isDone && answer.rooms === undefined ? idle + 1 : 0
    }
    await writers
    expect(seen).toHaveLength(100)
    expect(new Set(seen).size).toBe(100)
  })
})
