import { describe, expect, test } from 'vitest'
import { engines } from '../../support/store.ts'
import { RoomsWorld } from '../../support/rooms-world.ts'
import type { WorldUser } from '../../support/rooms-world.ts'

const at = encodeURIComponent
const code = async (user: WorldUser, method: string, path: string, body?: unknown) => {
  const answer = await user.call(method, path, body)
  return answer.status === 200 ? 200 : `${answer.status} ${answer.body.errcode}`
}

describe.each(engines)('on %s', (engine) => {
  test('aliases are made by members, deleted by their creators and by who rules the room, and resolved from afar', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test', 'b.test')
    const a = world.server('a.test')
    const [alice, bob, carol] = [await a.user('alice'), await a.user('bob'), await a.user('carol')]
    const dora = await world.server('b.test').user('dora')
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', { preset: 'public_chat', room_alias_name: 'one' })
    const alias = (name: string, server = 'a.test') => `/directory/room/${at(`#${name}:${server}`)}`
    await bob.ok('POST', `/rooms/${at(roomId)}/join`, {})
    expect(await code(carol, 'PUT', alias('two'), { room_id: roomId })).toBe('403 M_FORBIDDEN')
    await bob.ok('PUT', alias('two'), { room_id: roomId })
    await bob.ok('PUT', alias('three'), { room_id: roomId })
    expect(await code(bob, 'PUT', alias('two'), { room_id: roomId })).toBe('409 M_UNKNOWN')
    expect(await code(bob, 'PUT', alias('x', 'b.test'), { room_id: roomId })).toBe('400 M_INVALID_PARAM')
    expect(await code(bob, 'PUT', '/directory/room/nonsense', { room_id: roomId })).toBe('400 M_INVALID_PARAM')
    const found = { room_id: roomId, servers: ['a.test'] }
    expect(await carol.ok('GET', alias('two'))).toEqual(found)
    expect(await dora.ok('GET', alias('two'))).toEqual(found)
    expect(await code(dora, 'GET', alias('none'))).toBe('404 M_NOT_FOUND')
    expect(await code(carol, 'GET', alias('none'))).toBe('404 M_NOT_FOUND')
    expect(await bob.ok('GET', `/rooms/${at(roomId)}/aliases`)).toEqual({
      aliases: ['#one:a.test', '#three:a.test', '#two:a.test'],
    })
    expect(await code(carol, 'GET', `/rooms/${at(roomId)}/aliases`)).toBe('403 M_FORBIDDEN')
    const canonical = { alias: '#one:a.test', alt_aliases: ['#two:a.test', '#three:a.test'] }
    await alice.ok('PUT', `/rooms/${at(roomId)}/state/m.room.canonical_alias`, canonical)
    expect(await code(carol, 'DELETE', alias('two'))).toBe('403 M_FORBIDDEN')
    await bob.ok('DELETE', alias('two'))
    expect(await a.state(roomId, 'm.room.canonical_alias')).toEqual(canonical)
    await alice.ok('DELETE', alias('three'))
    expect(await a.state(roomId, 'm.room.canonical_alias')).toEqual({
      alias: '#one:a.test',
      alt_aliases: ['#two:a.test'],
    })
    expect(await code(alice, 'DELETE', alias('three'))).toBe('404 M_NOT_FOUND')
  })

  test('the directory lists what was published, page by page, by name, topic, address and type', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test', 'b.test')
    const a = world.server('a.test')
    const [alice, bob, dora] = [await a.user('alice'), await a.user('bob'), await world.server('b.test').user('dora')]
    const make = async (body: object) =>
      (await alice.ok('POST', '/createRoom', { visibility: 'public', ...body })).room_id as string
    const garden = await make({ name: 'Garden 100%', topic: 'Flowers and bees' })
    const space = await make({ name: 'Space', creation_content: { type: 'm.space' } })
    const plain = await make({ room_alias_name: 'Hidden_Gem' })
    const secret = await make({ name: 'Secret', visibility: 'private' })
    await bob.ok('POST', `/rooms/${at(plain)}/join`, {})
    const ids = async (user: WorldUser, body: object, query = '') =>
      (await user.ok('POST', `/publicRooms${query}`, body)).chunk.map(({ room_id: roomId }) => roomId)
    expect(await ids(bob, {})).toEqual([plain, garden, space])
    expect(await ids(bob, { filter: { generic_search_term: 'BEES' } })).toEqual([garden])
    expect(await ids(bob, { filter: { generic_search_term: '100%' } })).toEqual([garden])
    expect(await ids(bob, { filter: { generic_search_term: '%' } })).toEqual([garden])
    expect(await ids(bob, { filter: { generic_search_term: 'hidden_' } })).toEqual([plain])
    expect(await ids(bob, { filter: { room_types: ['m.space'] } })).toEqual([space])
    expect(await ids(bob, { filter: { room_types: [null] } })).toEqual([plain, garden])
    const first = await bob.ok('GET', '/publicRooms?limit=2')
    expect(first).toMatchObject({ total_room_count_estimate: 3, next_batch: expect.any(String) })
    expect(first.chunk[1]).toEqual({
      room_id: garden,
      name: 'Garden 100%',
      topic: 'Flowers and bees',
      num_joined_members: 1,
      world_readable: false,
      guest_can_join: false,
      join_rule: 'public',
    })
    const second = await bob.ok('GET', `/publicRooms?limit=2&since=${first.next_batch}`)
    expect(second.chunk).toHaveLength(1)
    expect(second.next_batch).toBeUndefined()
    // 0 is no limit
    expect((await bob.ok('GET', '/publicRooms?limit=0')).chunk).toHaveLength(3)
    expect(await ids(bob, { limit: 0 })).toHaveLength(3)
    expect(await code(bob, 'GET', '/publicRooms?since=nonsense')).toBe('400 M_INVALID_PARAM')
    // from elsewhere only where the operator wants it
    expect(await code(dora, 'GET', '/publicRooms?server=a.test')).toBe('403 M_FORBIDDEN')
    const listed = `/directory/list/room/${at(secret)}`
    expect(await bob.ok('GET', listed)).toEqual({ visibility: 'private' })
    expect(await code(bob, 'PUT', listed, { visibility: 'public' })).toBe('403 M_FORBIDDEN')
    await alice.ok('PUT', listed, { visibility: 'public' })
    expect(await ids(bob, { filter: { generic_search_term: 'secret' } })).toEqual([secret])
    await alice.ok('PUT', listed, { visibility: 'private' })
    expect(await ids(bob, { filter: { generic_search_term: 'secret' } })).toEqual([])
    expect(await code(bob, 'GET', `/directory/list/room/${at('!none:a.test')}`)).toBe('404 M_NOT_FOUND')
  })

  test.each([
    ['6', '12'],
    ['11', '12'],
    ['12', '12'],
    ['12', '11'],
    ['9', '10'],
  ])('a room of version %s is replaced by one of version %s', async (from, to) => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const a = world.server('a.test')
    const [alice, bob, carol] = [await a.user('alice'), await a.user('bob'), await a.user('carol')]
    const { room_id: old } = await alice.ok('POST', '/createRoom', {
      room_version: from,
      visibility: 'public',
      room_alias_name: 'pub',
      name: 'The Pub',
      creation_content: { type: 'org.example.pub' },
      power_level_content_override: { users: from === '12' ? { [bob.id]: 75 } : { [alice.id]: 100, [bob.id]: 75 } },
    })
    await bob.ok('POST', `/rooms/${at(old)}/join`, {})
    await alice.ok('POST', `/rooms/${at(old)}/ban`, { user_id: carol.id })
    expect(await code(bob, 'POST', `/rooms/${at(old)}/upgrade`, { new_version: to })).toBe('403 M_FORBIDDEN')
    expect(await code(alice, 'POST', `/rooms/${at(old)}/upgrade`, { new_version: '99' })).toBe(
      '400 M_UNSUPPORTED_ROOM_VERSION',
    )
    const { replacement_room: made } = await alice.ok('POST', `/rooms/${at(old)}/upgrade`, { new_version: to })
    expect(await a.state(old, 'm.room.tombstone')).toMatchObject({ replacement_room: made })
    expect(await a.state(old, 'm.room.power_levels')).toMatchObject({ events_default: 50, invite: 50 })
    expect(await a.state(made, 'm.room.create')).toMatchObject({
      room_version: to,
      type: 'org.example.pub',
      predecessor: { room_id: old, event_id: expect.stringMatching(/^\$/) },
    })
    expect(await a.state(made, 'm.room.name')).toEqual({ name: 'The Pub' })
    expect(await a.state(made, 'm.room.canonical_alias')).toEqual({ alias: '#pub:a.test' })
    expect(await a.state(made, 'm.room.member', carol.id)).toMatchObject({ membership: 'ban' })
    const levels = (await a.state(made, 'm.room.power_levels')) as {
      users: Record<string, number>
      events: Record<string, number>
    }
    expect(levels.users).toEqual(to === '12' ? { [bob.id]: 75 } : { [alice.id]: 100, [bob.id]: 75 })
    if (to === '12') expect(levels.events['m.room.tombstone']).toBeGreaterThanOrEqual(150)
    expect((await bob.ok('GET', `/directory/room/${at('#pub:a.test')}`)).room_id).toBe(made)
    expect((await bob.ok('GET', `/directory/list/room/${at(made)}`)).visibility).toBe('public')
    await bob.ok('POST', `/rooms/${at(made)}/join`, {})
    expect(await code(bob, 'PUT', `/rooms/${at(old)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'x' })).toBe(
      200,
    )
    expect(await code(carol, 'POST', `/rooms/${at(made)}/join`, {})).toBe('403 M_FORBIDDEN')
  })
})
