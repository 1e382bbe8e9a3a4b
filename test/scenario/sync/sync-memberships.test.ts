import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { WorldUser } from '../../support/rooms-world.ts'
import { RoomsWorld } from '../../support/rooms-world.ts'
import { systemClock } from '../../../src/util/system-ports.ts'
import { SyncClient, bodiesOf, join, makeRoom, say, serverState, setState } from './sync-client.ts'
import { roomOf } from '../../support/reply.ts'

let world: RoomsWorld
let serial = 0
const newUser = (name: string, server = 'a.test'): Promise<WorldUser> => world.server(server).user(`${name}${++serial}`)
const room$ = encodeURIComponent
const act = (user: WorldUser, room: string, verb: string, body: object = {}) =>
  user.ok('POST', `/rooms/${room$(room)}/${verb}`, body)

beforeAll(async () => {
  world = await RoomsWorld.start('a.test', 'b.test')
})
afterAll(() => world[Symbol.asyncDispose]())

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let left = 100; left > 0; left--) {
    const found = await look()
    if (found !== undefined) return found
    await systemClock.sleep(20)
  }
  throw new Error('it never came')
}

describe('/sync of other memberships', () => {
  test('an invite shows the stripped state, the inviter included', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const client = new SyncClient(bob)
    await client.sync()
    const room = await makeRoom(alice, { preset: 'private_chat', name: 'secret garden', invite: [bob.id] })
    const { events } = roomOf(await client.sync(), room, 'invite').invite_state
    const byType = (type: string, key = '') => events.find((event) => event.type === type && event.state_key === key)
    expect(byType('m.room.name')?.content.name).toBe('secret garden')
    expect(byType('m.room.member', bob.id)?.content.membership).toBe('invite')
    expect(byType('m.room.member', alice.id)?.content.membership).toBe('join')
    expect(byType('m.room.create')).toBeDefined()
    expect(events.every((event: object) => !('event_id' in event))).toBe(true)
    expect((await client.sync()).rooms).toBeUndefined()
    expect((await new SyncClient(bob).sync()).rooms.invite[room]).toBeDefined()
  })

  test('leaving: events up to the leave, nothing later', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice)
    await join(bob, room)
    const client = new SyncClient(bob)
    await client.sync()
    await say(alice, room, 'before')
    await act(alice, room, 'kick', { user_id: bob.id, reason: 'because' })
    await say(alice, room, 'after')
    const answer = await client.sync()
    expect(answer.rooms.join).toBeUndefined()
    const { timeline } = roomOf(answer, room, 'leave')
    expect(bodiesOf(answer, room, 'leave')).toEqual(['before'])
    expect(timeline.events.at(-1)).toMatchObject({
      type: 'm.room.member',
      state_key: bob.id,
      content: { membership: 'leave', reason: 'because' },
    })
    await say(alice, room, 'much later')
    expect((await client.sync()).rooms).toBeUndefined()
    expect((await new SyncClient(bob).sync()).rooms).toBeUndefined()
    const archived = await new SyncClient(bob).sync({ filter: { room: { include_leave: true } } })
    expect(bodiesOf(archived, room, 'leave')).toEqual(['before'])
    await act(bob, room, 'forget')
    expect((await new SyncClient(bob).sync({ filter: { room: { include_leave: true } } })).rooms).toBeUndefined()
  })

  test('a room that was left and forgotten at once is told to the other devices', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice)
    await join(bob, room)
    const client = new SyncClient(bob)
    await client.sync()
    await say(alice, room, 'forgotten words')
    await act(bob, room, 'leave')
    await act(bob, room, 'forget')
    const answer = await client.sync()
    expect(roomOf(answer, room, 'leave').timeline.events).toHaveLength(1)
    expect(bodiesOf(answer, room, 'leave')).toEqual([])
  })

  test('left and come back between two requests: nothing of the time between, all state', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice, {
      initial_state: [{ type: 'm.room.history_visibility', state_key: '', content: { history_visibility: 'joined' } }],
    })
    await join(bob, room)
    const client = new SyncClient(bob)
    await client.sync()
    await act(bob, room, 'leave')
    await say(alice, room, 'while away')
    await setState(alice, room, 'm.room.topic', { topic: 'while away' })
    await join(bob, room)
    await say(alice, room, 'back')
    const answer = await client.sync()
    expect(bodiesOf(answer, room)).toEqual(['back'])
    expect(client.state.get(room)).toEqual(await serverState(bob, room))
  })

  test('a ban, an invite that is declined, one that is taken back', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const client = new SyncClient(bob)
    await client.sync()
    const declined = await makeRoom(alice, { invite: [bob.id] })
    const revoked = await makeRoom(alice, { invite: [bob.id] })
    const banned = await makeRoom(alice)
    await join(bob, banned)
    expect(Object.keys((await client.sync()).rooms.invite).toSorted()).toEqual([declined, revoked].toSorted())
    await act(bob, declined, 'leave')
    await act(alice, revoked, 'kick', { user_id: bob.id })
    await act(alice, banned, 'ban', { user_id: bob.id })
    expect(Object.keys((await client.sync()).rooms.leave).toSorted()).toEqual([declined, revoked, banned].toSorted())
  })

  test('knocking', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice, {
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }],
    })
    const client = new SyncClient(bob)
    await client.sync()
    await bob.ok('POST', `/knock/${room$(room)}`, {})
    const { knock_state } = roomOf(await client.sync(), room, 'knock')
    expect(
      knock_state.events.some(
        (event: { type: string; content: { membership?: string } }) => event.content.membership === 'knock',
      ),
    ).toBe(true)
  })

  test('an invite of another server, and its end', async () => {
    const alice = await newUser('alice')
    const peer = await newUser('peer', 'b.test')
    const client = new SyncClient(peer)
    await client.sync()
    const room = await makeRoom(alice, { preset: 'private_chat', name: 'far away', invite: [peer.id] })
    const { events } = roomOf(await client.sync({ timeout: 5_000 }), room, 'invite').invite_state
    expect(events.find(({ type }) => type === 'm.room.name')?.content.name).toBe('far away')
    await act(peer, room, 'leave')
    const section = await eventually(async () => (await client.sync()).rooms?.leave?.[room])
    const all = [...section.state.events, ...section.timeline.events]
    expect(all.at(-1)).toMatchObject({ type: 'm.room.member', state_key: peer.id, content: { membership: 'leave' } })
    expect((await client.sync()).rooms).toBeUndefined()
  })

  test('a room joined by way of another server, and what is sent there afterwards', async () => {
    const alice = await newUser('alice')
    const peer = await newUser('peer', 'b.test')
    const room = await makeRoom(alice, { name: 'far' })
    for (let i = 0; i < 3; i++) await say(alice, room, `old ${i}`)
    const client = new SyncClient(peer)
    await client.sync()
    await peer.ok('POST', `/join/${room$(room)}?server_name=a.test`, {})
    const section = roomOf(await client.sync({ timeout: 5_000 }), room)
    expect(section.timeline.events.at(-1)).toMatchObject({ type: 'm.room.member', state_key: peer.id })
    expect(client.state.get(room)).toEqual(await serverState(peer, room))
    await say(alice, room, 'new')
    const bodies = await eventually(async () => {
      const found = bodiesOf(await client.sync({ timeout: 100 }), room)
      return found.length > 0 ? found : undefined
    })
    expect(bodies).toEqual(['new'])
  })
})

describe('state, whatever happens', () => {
  test.each([
    ['state', {}],
    ['state, lazy timeline', { filter: { room: { timeline: { limit: 3 } } } }],
    ['state_after', { stateAfter: 'use_state_after' as const }],
    [
      'state_after, short timeline',
      { stateAfter: 'use_state_after' as const, filter: { room: { timeline: { limit: 2 } } } },
    ],
  ])('a client that syncs at random moments has the state of the server: %s', async (_, options) => {
    const [alice, bob, carol] = [await newUser('alice'), await newUser('bob'), await newUser('carol')]
    const room = await makeRoom(alice)
    const client = new SyncClient(alice, options)
    let random = 7
    const next = (max: number) => (random = (random * 1_103_515_245 + 12_345) % 2_147_483_648) % max
    for (let step = 0; step < 60; step++) {
      const who = [bob, carol][next(2)] as WorldUser
      const isIn = (await world.server('a.test').membership(room as `!${string}`, who.id))?.membership === 'join'
      switch (next(6)) {
        case 0:
          if (isIn) await act(who, room, 'leave')
          else await join(who, room)
          break
        case 1:
          await setState(alice, room, 'm.room.topic', { topic: `t${step}` })
          break
        case 2:
          await setState(alice, room, 'org.example.state', { step }, `k${next(3)}`)
          break
        case 3:
          if (isIn) await setState(who, room, 'm.room.member', { membership: 'join', displayname: `n${step}` }, who.id)
          break
        default:
          await say(alice, room, `m${step}`)
      }
      if (next(3) > 0) continue
      await client.sync()
      expect(client.state.get(room)).toEqual(await serverState(alice, room))
    }
  })
})
