import { describe, expect, test } from 'vitest'
import { engines } from '../../support/store.ts'
import { RoomsWorld } from '../../support/rooms-world.ts'

describe.each(engines)('on %s', (engine) => {
  test('a room is made in the order of the specification, with what its preset says', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const a = world.server('a.test')
    const [alice, bob] = [await a.user('alice'), await a.user('bob')]
    for (const version of ['1', '2', '3', '6', '8', '10', '11', '12']) {
      const { room_id: roomId } = await alice.ok('POST', '/createRoom', {
        room_version: version,
        preset: 'trusted_private_chat',
        room_alias_name: `pub-${version}`,
        name: 'The Pub',
        topic: 'Beer',
        invite: [bob.id],
        is_direct: true,
        initial_state: [
          { type: 'm.room.join_rules', content: { join_rule: 'public' } },
          { type: 'm.room.name', content: { name: 'never seen' } },
        ],
      })
      expect(await a.state(roomId, 'm.room.join_rules')).toEqual({ join_rule: 'public' })
      expect(await a.state(roomId, 'm.room.history_visibility')).toEqual({ history_visibility: 'shared' })
      expect(await a.state(roomId, 'm.room.guest_access')).toEqual({ guest_access: 'can_join' })
      expect(await a.state(roomId, 'm.room.name')).toEqual({ name: 'The Pub' })
      expect(await a.state(roomId, 'm.room.topic')).toEqual({
        topic: 'Beer',
        'm.topic': { 'm.text': [{ mimetype: 'text/plain', body: 'Beer' }] },
      })
      expect(await a.state(roomId, 'm.room.canonical_alias')).toEqual({ alias: `#pub-${version}:a.test` })
      expect(await a.state(roomId, 'm.room.member', bob.id)).toMatchObject({ membership: 'invite', is_direct: true })
      const levels = await a.state(roomId, 'm.room.power_levels')
      const create = await a.state(roomId, 'm.room.create')
      if (version === '12') {
        expect(levels).toMatchObject({ users: {}, events: { 'm.room.tombstone': 150 } })
        expect(create).toEqual({ room_version: '12', additional_creators: [bob.id] })
        expect(roomId).toMatch(/^![\w-]{43}$/)
      } else {
        expect(levels).toMatchObject({ users: { [alice.id]: 100, [bob.id]: 100 } })
        expect(create).toEqual(version === '11' ? { room_version: '11' } : { room_version: version, creator: alice.id })
      }
      await bob.ok('POST', `/rooms/${encodeURIComponent(roomId)}/join`, {})
      await bob.ok('PUT', `/rooms/${encodeURIComponent(roomId)}/state/m.room.name/`, { name: 'Mine too' })
      await bob.ok('PUT', `/rooms/${encodeURIComponent(roomId)}/state/m.room.name`, { name: 'Ours' })
      expect(await a.state(roomId, 'm.room.name')).toEqual({ name: 'Ours' })
    }
  })

  test('from version 12 a tombstone takes more than other state, whatever the client wants of other levels', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const a = world.server('a.test')
    const alice = await a.user('alice')
    const tombstone = async (version: string, override: object) => {
      const { room_id: roomId } = await alice.ok('POST', '/createRoom', {
        room_version: version,
        power_level_content_override: override,
      })
      const levels = (await a.state(roomId, 'm.room.power_levels')) as { events: Record<string, number> }
      return levels.events['m.room.tombstone']
    }
    expect(await tombstone('12', { events: { 'org.example': 3 } })).toBe(150)
    expect(await tombstone('12', { state_default: 200 })).toBe(201)
    expect(await tombstone('12', { events: { 'm.room.tombstone': 120 } })).toBe(120)
    expect(await tombstone('11', { events: { 'org.example': 3 } })).toBeUndefined()
  })

  test('two rooms of version 12 made in the same millisecond are two', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const alice = await world.server('a.test').user('alice')
    const made = await Promise.all(
      Array.from({ length: 10 }, () => alice.ok('POST', '/createRoom', { room_version: '12' })),
    )
    expect(new Set(made.map(({ room_id: roomId }) => roomId)).size).toBe(10)
  })

  test('what a room cannot be is refused, and nothing of it stays', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const a = world.server('a.test')
    const alice = await a.user('alice')
    const unnameable = {
      room_version: '11',
      power_level_content_override: { events: { 'm.room.name': 200 } },
      name: 'x',
    }
    const refused = async (body: object) => {
      const answer = await alice.call('POST', '/createRoom', body)
      return [answer.status, answer.body.errcode]
    }
    await alice.ok('POST', '/createRoom', { room_alias_name: 'taken' })
    expect(await refused({ room_alias_name: 'taken' })).toEqual([400, 'M_ROOM_IN_USE'])
    expect(await refused({ room_version: '99' })).toEqual([400, 'M_UNSUPPORTED_ROOM_VERSION'])
    expect(await refused({ room_version: 11 })).toEqual([400, 'M_BAD_JSON'])
    expect(await refused({ ...unnameable, room_alias_name: 'free' })).toEqual([400, 'M_INVALID_ROOM_STATE'])
    expect(await refused({ room_version: '12', power_level_content_override: { users: { [alice.id]: 100 } } })).toEqual(
      [400, 'M_INVALID_ROOM_STATE'],
    )
    expect(await refused({ initial_state: [{ content: {} }] })).toEqual([400, 'M_BAD_JSON'])
    expect(
      await refused({ initial_state: [{ type: 'm.room.canonical_alias', content: { alias: '#taken:a.test' } }] }),
    ).toEqual([400, 'M_BAD_ALIAS'])
    expect(
      await refused({
        initial_state: [{ type: 'm.room.member', state_key: '@x:b.test', content: { membership: 'invite' } }],
      }),
    ).toEqual([400, 'M_INVALID_ROOM_STATE'])
    expect(await refused({ invite: ['@nobody:a.test'] })).toEqual([404, 'M_NOT_FOUND'])
    expect(
      await refused({
        invite_3pid: [{ id_server: 'x', id_access_token: 'y', medium: 'email', address: 'z@example.org' }],
      }),
    ).toEqual([403, 'M_THREEPID_DENIED'])
    // the name of the room that failed is free
    await alice.ok('POST', '/createRoom', { room_alias_name: 'free' })
  })
})
