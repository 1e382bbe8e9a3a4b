import { expect, test } from 'vitest'
import { RoomsWorld } from '../../support/rooms-world.ts'
import { SyncClient, join, makeRoom, say, serverState, setState } from './sync-client.ts'

const soon = { timeout: 20_000, interval: 100 }

test.each([{}, { filter: { room: { timeline: { limit: 1 } } } }])(
  'after a fork clients that ask for the state at the end have what the server resolved: %j',
  async (more) => {
    await using world = await RoomsWorld.start('a.test', 'b.test')
    const alice = await world.server('a.test').user('alice')
    const carol = await world.server('a.test').user('carol')
    const bob = await world.server('b.test').user('bob')
    const room = await makeRoom(alice, { room_version: '11' })
    await bob.ok('POST', `/join/${encodeURIComponent(room)}?server_name=a.test`, {})
    await join(carol, room)
    await setState(alice, room, 'm.room.power_levels', {
      users: { [alice.id]: 100, [bob.id]: 50 },
      state_default: 50,
    })
    // a place that becomes empty again cannot be told in any answer: what is undone had a value before
    for (const type of ['m.room.topic', 'org.example.a', 'org.example.b']) await setState(alice, room, type, { i: -1 })
    await world.settled(room as `!${string}`, 'a.test', 'b.test')
    const clients = [
      new SyncClient(carol, { stateAfter: 'use_state_after', ...more }),
      new SyncClient(bob, { stateAfter: 'use_state_after', ...more }),
    ]
    for (const client of clients) await client.sync()
    world.network.cut('a.test', 'b.test')
    for (let i = 0; i < 3; i++) {
      await setState(alice, room, 'm.room.topic', { topic: `a${i}` })
      await setState(alice, room, 'org.example.a', { i })
      await setState(bob, room, 'm.room.topic', { topic: `b${i}` })
      await setState(bob, room, 'org.example.b', { i })
    }
    // alice takes bob's power away while he goes on: what he did meanwhile may not stand
    await setState(alice, room, 'm.room.power_levels', { users: { [alice.id]: 100 }, state_default: 50 })
    for (const client of clients) await client.sync()
    world.network.heal()
    await say(alice, room, 'healed')
    await expect.poll(async () => serverState(bob, room), soon).toEqual(await serverState(alice, room))
    await say(bob, room, 'me too')
    await world.settled(room as `!${string}`, 'a.test', 'b.test')
    for (const client of clients) {
      await client.sync()
      await client.sync()
      expect(client.state.get(room)).toEqual(await serverState(client.user, room))
    }
  },
)
