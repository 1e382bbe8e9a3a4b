import { expect, test } from 'vitest'
import { RoomsWorld } from '../../support/rooms-world.ts'
import type { WorldUser } from '../../support/rooms-world.ts'

const at = (roomId: string) => `/rooms/${encodeURIComponent(roomId)}`

async function say(user: WorldUser, roomId: string, txn: string, content: object): Promise<string> {
  return (await user.ok('PUT', `${at(roomId)}/send/m.room.message/${txn}`, { msgtype: 'm.text', ...content })).event_id
}

test('the endpoints of reading, as clients call them', async () => {
  await using world = await RoomsWorld.start('a.test')
  const server = world.server('a.test')
  const [alice, bob] = [await server.user('alice'), await server.user('bob')]
  const { room_id: roomId } = await alice.ok('POST', '/createRoom', { preset: 'public_chat', name: 'Garden' })
  await bob.ok('POST', `/join/${encodeURIComponent(roomId)}`, {})
  const first = await say(alice, roomId, 't1', { body: 'one' })
  const path = at(roomId)

  // state, with and without the slash, as content and as event
  expect(await bob.ok('GET', `${path}/state/m.room.name`)).toEqual({ name: 'Garden' })
  expect(await bob.ok('GET', `${path}/state/m.room.name/`)).toEqual({ name: 'Garden' })
  expect(await bob.ok('GET', `${path}/state/m.room.name/?format=event`)).toMatchObject({
    type: 'm.room.name',
    state_key: '',
    room_id: roomId,
  })
  expect(await bob.ok('GET', `${path}/state/m.room.member/${encodeURIComponent(alice.id)}`)).toMatchObject({
    membership: 'join',
  })
  expect((await bob.call('GET', `${path}/state/m.room.topic`)).status).toBe(404)
  expect((await bob.ok('GET', `${path}/state`)).length).toBeGreaterThan(6)

  // members
  const members = await bob.ok('GET', `${path}/members?membership=join`)
  expect(members.chunk.map(({ state_key: id = '' }) => id).toSorted()).toEqual([alice.id, bob.id])
  expect((await bob.ok('GET', `${path}/members?not_membership=join`)).chunk).toEqual([])
  expect((await bob.call('GET', `${path}/members?membership=nonsense`)).status).toBe(400)
  expect(Object.keys((await bob.ok('GET', `${path}/joined_members`)).joined).toSorted()).toEqual([alice.id, bob.id])
  expect(await bob.ok('GET', '/joined_rooms')).toEqual({ joined_rooms: [roomId] })

  // messages: the sender's own transaction id, and nobody else's
  const own = await alice.ok('GET', `${path}/messages?dir=b&limit=1`)
  expect(own.chunk[0]).toMatchObject({ event_id: first, unsigned: { transaction_id: 't1', membership: 'join' } })
  const others = await bob.ok('GET', `${path}/messages?dir=b&limit=1`)
  expect(others.chunk).toHaveLength(1)
  expect(others.chunk[0]?.unsigned).not.toHaveProperty('transaction_id')
  expect((await bob.ok('GET', `${path}/messages?dir=f&limit=100000`)).chunk[0]?.type).toBe('m.room.create')
  for (const query of ['', '?dir=x', '?dir=b&limit=0', '?dir=b&from=nonsense', '?dir=b&filter=nonsense'])
    expect((await bob.call('GET', `${path}/messages${query}`)).status, query).toBe(400)

  // context, event, relations, threads
  const second = await say(bob, roomId, 't2', {
    body: 'two',
    'm.relates_to': { rel_type: 'm.thread', event_id: first },
  })
  const around = await bob.ok('GET', `${path}/context/${encodeURIComponent(first)}?limit=4`)
  expect(around.events_after.map(({ event_id: id }: { event_id: string }) => id)).toEqual([second])
  expect(around.events_before).toHaveLength(2)
  const { unsigned } = await alice.ok('GET', `${path}/event/${encodeURIComponent(first)}`)
  expect(unsigned['m.relations']['m.thread']).toMatchObject({ count: 1, current_user_participated: true })
  const v1 = `/../v1${path}`
  expect((await bob.ok('GET', `${v1}/relations/${encodeURIComponent(first)}`)).chunk[0]?.event_id).toBe(second)
  expect(
    (await bob.ok('GET', `${v1}/relations/${encodeURIComponent(first)}/m.thread/m.room.message?dir=f`)).chunk,
  ).toHaveLength(1)
  expect((await bob.ok('GET', `${v1}/relations/${encodeURIComponent(first)}?recurse=true`)).recursion_depth).toBe(3)
  expect((await bob.ok('GET', `${v1}/threads?include=participated`)).chunk[0]?.event_id).toBe(first)

  // who is not in the room
  const mallory = await server.user('mallory')
  const encoded = encodeURIComponent(first)
  const closed = [
    '/messages?dir=b',
    '/state',
    '/state/m.room.name',
    '/members',
    '/joined_members',
    `/context/${encoded}`,
  ]
  for (const each of closed) {
    const answer = await mallory.call('GET', `${path}${each}`)
    expect([answer.status, answer.body.errcode], each).toEqual([403, 'M_FORBIDDEN'])
    const unknown = await mallory.call('GET', `${at('!nowhere:a.test')}${each}`)
    expect(unknown, each).toEqual(answer)
  }
  expect((await mallory.call('GET', `${path}/event/${encoded}`)).status).toBe(404)
  expect((await mallory.call('GET', `${v1}/threads`)).status).toBe(403)

  for (const room of [roomId, '!nowhere:a.test'])
    expect((await mallory.call('GET', `/../v1${at(room)}/relations/${encoded}?from=nonsense`)).status).toBe(400)

  // from what a token of somebody else says nothing can be had
  const { end } = await bob.ok('GET', `${path}/messages?dir=b&limit=1`)
  for (const query of [`/messages?dir=b&from=${end}`, `/messages?dir=f&to=${end}`, `/members?at=${end}`])
    expect((await mallory.call('GET', `${path}${query}`)).status, query).toBe(403)
})

test('a page without a token begins at a place that can be asked for', async () => {
  await using world = await RoomsWorld.start('a.test')
  const alice = await world.server('a.test').user('alice')
  const { room_id: roomId } = await alice.ok('POST', '/createRoom', {})
  const path = at(roomId)
  const [newest, oldest] = [
    await alice.ok('GET', `${path}/messages?dir=b&limit=2`),
    await alice.ok('GET', `${path}/messages?dir=f&limit=2`),
  ]
  const { event_id: next } = await alice.ok('PUT', `${path}/send/m.room.message/1`, { msgtype: 'm.text', body: 'next' })
  const later = await alice.ok('GET', `${path}/messages?dir=f&from=${newest.start}`)
  expect(later.chunk.map(({ event_id: id }: { event_id: string }) => id)).toEqual([next])
  expect((await alice.ok('GET', `${path}/messages?dir=b&from=${oldest.start}`)).chunk).toEqual([])
  const again = await alice.ok('GET', `${path}/messages?dir=f&limit=2&from=${oldest.start}`)
  expect(again.chunk.map(({ type }: { type: string }) => type)).toEqual(['m.room.create', 'm.room.member'])
})

test('the same state by the same user is the same event', async () => {
  await using world = await RoomsWorld.start('a.test')
  const server = world.server('a.test')
  const [alice, bob] = [await server.user('alice'), await server.user('bob')]
  const levels = { users: { [alice.id]: 100, [bob.id]: 100 } }
  const { room_id: roomId } = await alice.ok('POST', '/createRoom', {
    preset: 'public_chat',
    room_version: '11',
    power_level_content_override: levels,
  })
  await bob.ok('POST', `${at(roomId)}/join`)
  const topic = `${at(roomId)}/state/m.room.topic`
  const { event_id: first } = await alice.ok('PUT', topic, { topic: 'a', more: { b: 1, c: 2 } })
  expect((await alice.ok('PUT', `${topic}/`, { more: { c: 2, b: 1 }, topic: 'a' })).event_id).toBe(first)
  const { event_id: bobs } = await bob.ok('PUT', topic, { topic: 'a', more: { b: 1, c: 2 } })
  expect(bobs).not.toBe(first)
  expect((await alice.ok('PUT', topic, { topic: 'b' })).event_id).not.toBe(bobs)
  await alice.ok('POST', `${at(roomId)}/leave`)
  expect((await alice.call('PUT', topic, { topic: 'b' })).status).toBe(403)
})
