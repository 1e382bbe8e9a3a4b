import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { WorldUser } from '../../support/rooms-world.ts'
import { RoomsWorld } from '../../support/rooms-world.ts'
import { SyncClient, bodiesOf, join, makeRoom, say, send, serverState, setState } from './sync-client.ts'
import type { Reply, SyncRoom } from '../../support/reply.ts'
import { roomOf } from '../../support/reply.ts'

let world: RoomsWorld
let serial = 0
const newUser = (name: string): Promise<WorldUser> => world.server('a.test').user(`${name}${++serial}`)
const members = ({ events }: SyncRoom['state']) =>
  events.filter(({ type }) => type === 'm.room.member').map(({ state_key = '' }) => state_key)

beforeAll(async () => {
  world = await RoomsWorld.start('a.test')
})
afterAll(() => world[Symbol.asyncDispose]())

describe('/sync of joined rooms', () => {
  test('an initial sync gives the room, its state before the timeline, counts and a place to go back from', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice, { name: 'the name' })
    await join(bob, room)
    for (let i = 0; i < 15; i++) await say(bob, room, `m${i}`)
    const client = new SyncClient(alice)
    const answer = await client.sync()
    const section = roomOf(answer, room)
    expect(bodiesOf(answer, room)).toEqual(Array.from({ length: 10 }, (_, i) => `m${i + 5}`))
    expect(section.timeline.limited).toBe(true)
    expect(section.summary).toEqual({ 'm.joined_member_count': 2, 'm.invited_member_count': 0 })
    expect(section.unread_notifications).toEqual({ notification_count: 15, highlight_count: 0 })
    expect(client.state.get(room)).toEqual(await serverState(alice, room))
    expect(section.timeline.events[0]).not.toHaveProperty('room_id')
    const page = await alice.ok(
      'GET',
      `/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=3&from=${section.timeline.prev_batch}`,
    )
    expect(page.chunk.map(({ content }) => content.body)).toEqual(['m4', 'm3', 'm2'])
    expect(answer.account_data.events.map(({ type }: { type: string }) => type)).toContain('m.push_rules')
  })

  test('a small room comes with all of its events and an empty state', async () => {
    const alice = await newUser('alice')
    const room = await makeRoom(alice)
    const answer = await new SyncClient(alice, { filter: { room: { timeline: { limit: 50 } } } }).sync()
    const section = roomOf(answer, room)
    expect(section.state.events).toEqual([])
    expect(section.timeline.limited).toBe(false)
    expect(section.timeline.events[0]?.type).toBe('m.room.create')
  })

  test('an incremental sync gives just what is new, once', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const [room, quiet] = [await makeRoom(alice), await makeRoom(alice)]
    await join(bob, room)
    const client = new SyncClient(alice)
    await client.sync()
    expect((await client.sync()).rooms).toBeUndefined()
    await say(bob, room, 'one')
    await setState(alice, room, 'm.room.topic', { topic: 'now' })
    const answer = await client.sync()
    expect(Object.keys(answer.rooms.join)).toEqual([room])
    expect(answer.rooms.join[quiet]).toBeUndefined()
    const { timeline, state } = roomOf(answer, room)
    expect(timeline.events.map(({ type }: { type: string }) => type)).toEqual(['m.room.message', 'm.room.topic'])
    expect(timeline.limited).toBe(false)
    expect(state.events).toEqual([])
    expect((await client.sync()).rooms).toBeUndefined()
  })

  test('a gap is limited, and the state says what changed in it', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice)
    const client = new SyncClient(alice)
    await client.sync()
    const topic = await setState(alice, room, 'm.room.topic', { topic: 'in the gap' })
    await join(bob, room)
    for (let i = 0; i < 12; i++) await say(bob, room, `m${i}`)
    const { timeline, state } = roomOf(await client.sync(), room)
    expect(timeline.limited).toBe(true)
    expect(timeline.events).toHaveLength(10)
    expect(state.events.map((event: { event_id: string }) => event.event_id)).toContain(topic)
    expect(members(state)).toEqual([bob.id])
    expect(client.state.get(room)).toEqual(await serverState(alice, room))
  })

  test('state_after mirrors the parameter and holds what changed in the timeline too', async () => {
    const alice = await newUser('alice')
    const room = await makeRoom(alice)
    const client = new SyncClient(alice, { stateAfter: 'org.matrix.msc4222.use_state_after' })
    const first = roomOf(await client.sync(), room)
    expect(first).not.toHaveProperty('state')
    expect(client.state.get(room)).toEqual(await serverState(alice, room))
    const topic = await setState(alice, room, 'm.room.topic', { topic: 'new' })
    const section = roomOf(await client.sync(), room)
    expect(
      section['org.matrix.msc4222.state_after'].events.map((event: { event_id: string }) => event.event_id),
    ).toEqual([topic])
    expect(section.timeline.events).toHaveLength(1)
    await say(alice, room, 'hello')
    const stable = roomOf(await client.sync({ stateAfter: 'use_state_after' }), room)
    expect(stable.state_after).toEqual({ events: [] })
    expect(stable).not.toHaveProperty('state')
  })

  test('a room without a name says so, also where there is nobody to name it by', async () => {
    const alice = await newUser('alice')
    const room = await makeRoom(alice)
    expect((await new SyncClient(alice).sync()).rooms.join[room]?.summary['m.heroes']).toEqual([])
  })

  test('lazy loading gives senders and oneself, and nobody twice', async () => {
    const [alice, bob, carol] = [await newUser('alice'), await newUser('bob'), await newUser('carol')]
    const room = await makeRoom(alice)
    await join(bob, room)
    await join(carol, room)
    for (let i = 0; i < 12; i++) await say(bob, room, `m${i}`)
    const client = new SyncClient(alice, { filter: { room: { state: { lazy_load_members: true } } } })
    const first = roomOf(await client.sync(), room)
    // the room has no name: those who make its name come too
    expect(members(first.state).toSorted()).toEqual([alice.id, bob.id, carol.id].toSorted())
    expect(first.summary['m.heroes'].toSorted()).toEqual([bob.id, carol.id].toSorted())
    await setState(alice, room, 'm.room.name', { name: 'named' })
    await client.sync()
    await say(bob, room, 'again')
    expect(members(roomOf(await client.sync(), room).state)).toEqual([])
    // a client that never got the answer asks with the old token
    const again = new SyncClient(alice, client.defaults)
    const named = roomOf(await again.sync(), room)
    expect(members(named.state).toSorted()).toEqual([alice.id, bob.id].toSorted())
    const old = again.next as string
    await say(carol, room, 'it is me')
    const lost = roomOf(await again.sync(), room)
    expect(members(lost.state)).toEqual([carol.id])
    const repeated = roomOf(await again.sync({ since: old }), room)
    expect(members(repeated.state)).toEqual([carol.id])
    await say(carol, room, 'still me')
    expect(members(roomOf(await again.sync(), room).state)).toEqual([])
    await say(carol, room, 'still me')
    const redundant = { room: { state: { lazy_load_members: true, include_redundant_members: true } } }
    expect(members(roomOf(await again.sync({ filter: redundant }), room).state)).toEqual([carol.id])
  })

  test('lazy loading in a gap still tells who came and went in it', async () => {
    const [alice, bob, carol] = [await newUser('alice'), await newUser('bob'), await newUser('carol')]
    const room = await makeRoom(alice, { name: 'named' })
    await join(bob, room)
    const client = new SyncClient(alice, {
      filter: { room: { state: { lazy_load_members: true }, timeline: { limit: 2 } } },
    })
    await client.sync()
    await join(carol, room)
    for (let i = 0; i < 4; i++) await say(bob, room, `m${i}`)
    const { state, timeline } = roomOf(await client.sync(), room)
    expect(timeline.limited).toBe(true)
    expect(members(state)).toContain(carol.id)
  })

  test('a newly joined room is given whole', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice, { name: 'before' })
    for (let i = 0; i < 12; i++) await say(alice, room, `m${i}`)
    const client = new SyncClient(bob)
    await client.sync()
    await join(bob, room)
    const section = roomOf(await client.sync(), room)
    expect(section.timeline.limited).toBe(true)
    expect(section.summary['m.joined_member_count']).toBe(2)
    expect(client.state.get(room)).toEqual(await serverState(bob, room))
    // a change of the profile makes a member event too, and is no join
    await setState(bob, room, 'm.room.member', { membership: 'join', displayname: 'B' }, bob.id)
    const profile = roomOf(await client.sync(), room)
    expect(profile.timeline.events).toHaveLength(1)
    expect(profile.timeline.limited).toBe(false)
  })

  test('history visibility "joined" hides what was before', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice, {
      initial_state: [{ type: 'm.room.history_visibility', state_key: '', content: { history_visibility: 'joined' } }],
    })
    await say(alice, room, 'secret')
    await join(bob, room)
    await say(alice, room, 'open')
    const client = new SyncClient(bob)
    expect(bodiesOf(await client.sync(), room)).toEqual(['open'])
    expect(client.state.get(room)).toEqual(await serverState(bob, room))
  })

  test('full_state gives all state and nothing of the timeline that is known', async () => {
    const alice = await newUser('alice')
    const room = await makeRoom(alice)
    const client = new SyncClient(alice)
    await client.sync()
    await say(alice, room, 'new')
    const section = roomOf(await client.sync({ fullState: true }), room)
    expect(section.timeline.events).toHaveLength(1)
    expect(section.state.events.length).toBe((await serverState(alice, room)).size)
  })

  test('filters choose rooms, types, senders, fields and formats', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const [room, other] = [await makeRoom(alice), await makeRoom(alice)]
    await join(bob, room)
    await say(bob, room, 'from bob')
    await say(alice, room, 'from alice')
    await send(bob, room, 'org.example.thing', { url: 'https://example.org' })
    const sync = async (filter: object) => (await new SyncClient(alice).sync({ filter })).rooms
    expect(Object.keys((await sync({ room: { not_rooms: [other] } })).join)).not.toContain(other)
    expect(Object.keys((await sync({ room: { rooms: [other] } })).join)).toEqual([other])
    const ofBob = await sync({
      room: { timeline: { senders: [bob.id], types: ['m.room.message'] }, state: { types: [] } },
    })
    expect(ofBob.join[room]?.timeline.events).toHaveLength(1)
    expect(ofBob.join[room]?.state.events).toEqual([])
    const withUrl = await sync({ room: { timeline: { contains_url: true } } })
    expect(withUrl.join[room]?.timeline.events.map(({ type }: { type: string }) => type)).toEqual(['org.example.thing'])
    const fields = await sync({
      event_fields: ['content.body', 'type'],
      room: { timeline: { types: ['m.room.message'] } },
    })
    expect(fields.join[room]?.timeline.events[0]).toEqual({ type: 'm.room.message', content: { body: 'from bob' } })
    const pdus = await sync({ event_format: 'federation', room: { timeline: { limit: 1 } } })
    expect(pdus.join[room]?.timeline.events[0]).toHaveProperty('auth_events')
    const stored = await alice.ok('POST', `/user/${encodeURIComponent(alice.id)}/filter`, {
      room: { timeline: { limit: 2 } },
    })
    const byId = await alice.ok('GET', `/sync?filter=${stored.filter_id}`)
    expect(roomOf(byId, room).timeline.events).toHaveLength(2)
    expect((await alice.call('GET', '/sync?filter=%7B%22room%22%3A3%7D')).status).toBe(400)
    expect((await alice.call('GET', '/sync?filter=999')).status).toBe(404)
  })

  test('state that a filter keeps out of the timeline is in the state', async () => {
    const alice = await newUser('alice')
    const room = await makeRoom(alice)
    const client = new SyncClient(alice, { filter: { room: { timeline: { types: ['m.room.message'] } } } })
    await client.sync()
    const topic = await setState(alice, room, 'm.room.topic', { topic: 'x' })
    await say(alice, room, 'hello')
    const section = roomOf(await client.sync(), room)
    expect(section.state.events.map((event: { event_id: string }) => event.event_id)).toEqual([topic])
    expect(client.state.get(room)).toEqual(await serverState(alice, room))
  })

  test('a device gets its own transaction ids back, others do not', async () => {
    const [alice, bob] = [await newUser('alice'), await newUser('bob')]
    const room = await makeRoom(alice)
    await join(bob, room)
    await alice.ok('PUT', `/rooms/${encodeURIComponent(room)}/send/m.room.message/my-txn`, {
      msgtype: 'm.text',
      body: 'x',
    })
    const last = (answer: Reply) => roomOf(answer, room).timeline.events.at(-1)?.unsigned
    expect(last(await new SyncClient(alice).sync())).toHaveProperty('transaction_id', 'my-txn')
    expect(last(await new SyncClient(bob).sync())).not.toHaveProperty('transaction_id')
  })

  test('tokens: malformed ones are refused, those of another database begin anew', async () => {
    const alice = await newUser('alice')
    const room = await makeRoom(alice)
    expect((await alice.call('GET', '/sync?since=rubbish')).body.errcode).toBe('M_INVALID_PARAM')
    const other = await alice.ok('GET', '/sync?since=sOther~1~1.5')
    expect(roomOf(other, room).timeline.events.length).toBeGreaterThan(0)
    const { next_batch: next } = await alice.ok('GET', '/sync')
    const ahead = next.replace(/~1\.[0-9a-z]+$/, '~1.zzzzzz')
    expect(ahead).not.toBe(next)
    expect((await alice.ok('GET', `/sync?since=${ahead}`)).rooms.join[room]).toBeDefined()
    expect((await alice.ok('GET', '/sync?since=')).rooms.join[room]).toBeDefined()
  })

  test('messages of ignored users, and their invites, do not come', async () => {
    const [alice, troll] = [await newUser('alice'), await newUser('troll')]
    const room = await makeRoom(alice)
    await join(troll, room)
    await alice.ok('PUT', `/user/${encodeURIComponent(alice.id)}/account_data/m.ignored_user_list`, {
      ignored_users: { [troll.id]: {} },
    })
    const client = new SyncClient(alice)
    await client.sync()
    await say(troll, room, 'insult')
    await say(alice, room, 'fine')
    await setState(troll, room, 'm.room.member', { membership: 'join', displayname: 'T' }, troll.id)
    const invite = await makeRoom(troll, { invite: [alice.id] })
    const answer = await client.sync()
    expect(bodiesOf(answer, room)).toEqual(['fine'])
    expect(roomOf(answer, room).timeline.events).toHaveLength(2)
    expect(answer.rooms.invite?.[invite]).toBeUndefined()
    expect(roomOf(answer, room).unread_notifications.notification_count).toBe(0)
  })
})
