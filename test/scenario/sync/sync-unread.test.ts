import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { WorldUser } from '../../support/rooms-world.ts'
import { RoomsWorld } from '../../support/rooms-world.ts'
import { SyncClient, join, makeRoom, say, send, setState } from './sync-client.ts'
import type { UnreadCounts } from '../../support/reply.ts'
import { roomOf } from '../../support/reply.ts'

let world: RoomsWorld
let serial = 0
const newUser = (name: string): Promise<WorldUser> => world.server('a.test').user(`${name}${++serial}`)
const room$ = encodeURIComponent

beforeAll(async () => {
  world = await RoomsWorld.start('a.test')
})
afterAll(() => world[Symbol.asyncDispose]())

interface Counts {
  readonly main: [notifications: number, highlights: number]
  readonly threads: Record<string, [number, number]>
}

async function counts(user: WorldUser, room: string, threaded = true): Promise<Counts> {
  const filter = { room: { timeline: { unread_thread_notifications: threaded } } }
  const section = roomOf(await new SyncClient(user, { filter }).sync(), room)
  const pair = (each: UnreadCounts): [number, number] => [each.notification_count, each.highlight_count]
  const threads = Object.entries(section.unread_thread_notifications ?? {})
  return {
    main: pair(section.unread_notifications),
    threads: Object.fromEntries(threads.map(([root, each]) => [root, pair(each)])),
  }
}

const inThread = (root: string) => ({ 'm.relates_to': { rel_type: 'm.thread', event_id: root } })
const mention = (...users: WorldUser[]) => ({ 'm.mentions': { user_ids: users.map(({ id }) => id) } })
const read = (user: WorldUser, room: string, event: string, type = 'm.read', body: object = {}) =>
  user.call('POST', `/rooms/${room$(room)}/receipt/${type}/${room$(event)}`, body)

async function pair(): Promise<{ alice: WorldUser; bob: WorldUser; room: string }> {
  const [alice, bob] = [await newUser('alice'), await newUser('bob')]
  const room = await makeRoom(alice)
  await join(bob, room)
  return { alice, bob, room }
}

describe('unread counts', () => {
  test('messages count, notices, reactions, edits and own ones do not', async () => {
    const { alice, bob, room } = await pair()
    const first = await say(bob, room, 'one')
    await say(bob, room, 'a notice', { msgtype: 'm.notice' })
    await send(bob, room, 'm.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: first, key: 'x' } })
    await say(bob, room, '* two', {
      'm.relates_to': { rel_type: 'm.replace', event_id: first },
      'm.new_content': { body: 'two', msgtype: 'm.text' },
    })
    expect((await counts(alice, room)).main).toEqual([1, 0])
    expect((await counts(bob, room)).main).toEqual([0, 0])
    await say(alice, room, 'answer')
    expect((await counts(alice, room)).main).toEqual([0, 0])
    expect((await counts(bob, room)).main).toEqual([1, 0])
  })

  test('receipts clear up to their event, private ones too, and never go back', async () => {
    const { alice, bob, room } = await pair()
    const ids: string[] = []
    for (let i = 0; i < 6; i++) ids.push(await say(bob, room, `m${i}`, i === 4 ? mention(alice) : {}))
    expect((await counts(alice, room)).main).toEqual([6, 1])
    expect((await read(alice, room, ids[2] as string)).status).toBe(200)
    expect((await counts(alice, room)).main).toEqual([3, 1])
    await read(alice, room, ids[0] as string)
    expect((await counts(alice, room)).main).toEqual([3, 1])
    await read(alice, room, ids[4] as string, 'm.read.private')
    expect((await counts(alice, room)).main).toEqual([1, 0])
    // a public receipt behind the private one is told to others and rewinds nothing
    await read(alice, room, ids[3] as string)
    expect((await counts(alice, room)).main).toEqual([1, 0])
  })

  test('threads are counted by themselves, and together where nobody asks for threads', async () => {
    const { alice, bob, room } = await pair()
    const root = await say(bob, room, 'root')
    await say(bob, room, 'in', inThread(root))
    const last = await say(bob, room, 'in again', { ...inThread(root), ...mention(alice) })
    await say(bob, room, 'main')
    expect(await counts(alice, room)).toEqual({ main: [2, 0], threads: { [root]: [2, 1] } })
    expect(await counts(alice, room, false)).toEqual({ main: [4, 1], threads: {} })
    await read(alice, room, last, 'm.read', { thread_id: root })
    expect(await counts(alice, room)).toEqual({ main: [2, 0], threads: {} })
    const next = await say(bob, room, 'more', inThread(root))
    expect(await counts(alice, room)).toEqual({ main: [2, 0], threads: { [root]: [1, 0] } })
    const end = await say(bob, room, 'end')
    await read(alice, room, end, 'm.read', { thread_id: 'main' })
    expect(await counts(alice, room)).toEqual({ main: [0, 0], threads: { [root]: [1, 0] } })
    // sent before `end`: an unthreaded receipt covers all threads
    expect(next).toBeTruthy()
    await read(alice, room, end)
    expect(await counts(alice, room)).toEqual({ main: [0, 0], threads: {} })
    await say(bob, room, 'thread again', inThread(root))
    await say(alice, room, 'my answer', inThread(root))
    expect(await counts(alice, room)).toEqual({ main: [0, 0], threads: {} })
  })

  test('a thread that the event is not in is refused', async () => {
    const { alice, bob, room } = await pair()
    const root = await say(bob, room, 'root')
    const inside = await say(bob, room, 'in', inThread(root))
    expect((await read(alice, room, inside, 'm.read', { thread_id: 'main' })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await read(alice, room, root, 'm.read', { thread_id: '$other' })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await read(alice, room, root, 'm.read', { thread_id: '' })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await read(alice, room, root, 'm.read', { thread_id: 5 })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await read(alice, room, root, 'm.fully_read', { thread_id: 'main' })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await read(alice, room, root, 'm.other')).body.errcode).toBe('M_INVALID_PARAM')
    expect((await read(alice, room, `$${'x'.repeat(43)}`)).status).toBe(404)
    const stranger = await newUser('stranger')
    expect((await read(stranger, room, root)).status).toBe(403)
  })

  test('redacted events do not count any more', async () => {
    const { alice, bob, room } = await pair()
    await say(bob, room, 'one')
    const second = await say(bob, room, 'two', mention(alice))
    expect((await counts(alice, room)).main).toEqual([2, 1])
    await bob.ok('PUT', `/rooms/${room$(room)}/redact/${room$(second)}/r1`, {})
    expect((await counts(alice, room)).main).toEqual([1, 0])
  })

  test('@room highlights for all where the sender may, and a tombstone does', async () => {
    const { alice, bob, room } = await pair()
    await say(bob, room, 'hey', { 'm.mentions': { room: true } })
    expect((await counts(alice, room)).main).toEqual([1, 0])
    await say(alice, room, 'hey', { 'm.mentions': { room: true } })
    expect((await counts(bob, room)).main).toEqual([1, 1])
    await setState(alice, room, 'm.room.tombstone', { body: 'gone', replacement_room: '!x:a.test' })
    expect((await counts(bob, room)).main).toEqual([2, 2])
  })

  test('a reaction that mentions somebody notifies only them', async () => {
    const { alice, bob, room } = await pair()
    const mine = await say(alice, room, 'mine')
    await send(bob, room, 'm.reaction', {
      ...mention(alice),
      'm.relates_to': { rel_type: 'm.annotation', event_id: mine, key: 'x' },
    })
    expect((await counts(alice, room)).main).toEqual([1, 1])
  })

  test('own rules: a muted room, a keyword, no notification of mentions', async () => {
    const { alice, bob, room } = await pair()
    await alice.ok('PUT', `/pushrules/global/room/${room$(room)}`, { actions: [] })
    await say(bob, room, 'quiet')
    await say(bob, room, 'loud', mention(alice))
    expect((await counts(alice, room)).main).toEqual([1, 1])
    await alice.ok('DELETE', `/pushrules/global/room/${room$(room)}`)
    expect((await counts(alice, room)).main).toEqual([2, 1])
    await alice.ok('PUT', '/pushrules/global/content/cake', {
      pattern: 'cake',
      actions: ['notify', { set_tweak: 'highlight' }],
    })
    await say(bob, room, 'There is Cake!')
    await say(bob, room, 'cake as a notice', { msgtype: 'm.notice' })
    expect((await counts(alice, room)).main).toEqual([3, 2])
    await alice.ok('PUT', '/pushrules/global/override/.m.rule.is_user_mention/enabled', { enabled: false })
    await say(bob, room, 'you there', mention(alice))
    expect((await counts(alice, room)).main).toEqual([4, 2])
    await alice.ok('PUT', '/pushrules/global/override/.m.rule.master/enabled', { enabled: true })
    await say(bob, room, 'nobody hears this', mention(alice))
    expect((await counts(alice, room)).main[0]).toBe(2)
  })

  test('long spans are counted by running numbers', async () => {
    const { alice, bob, room } = await pair()
    const ids = await Promise.all(Array.from({ length: 520 }, (_, i) => say(bob, room, `m${i}`)))
    expect((await counts(alice, room)).main).toEqual([520, 0])
    await bob.ok('PUT', `/rooms/${room$(room)}/redact/${room$(ids[7] as string)}/r2`, {})
    expect((await counts(alice, room)).main).toEqual([519, 0])
    await say(alice, room, 'mine')
    await say(bob, room, 'last')
    expect((await counts(alice, room)).main).toEqual([1, 0])
  })

  test('a count that changes by a receipt of another device is told', async () => {
    const { alice, bob, room } = await pair()
    const client = new SyncClient(alice)
    const id = await say(bob, room, 'one')
    await client.sync()
    await read(alice, room, id, 'm.read.private')
    const section = roomOf(await client.sync(), room)
    expect(section.unread_notifications.notification_count).toBe(0)
    expect(section.ephemeral.events[0]?.content[id]).toHaveProperty(['m.read.private', alice.id])
  })
})
