import { describe, expect, test } from 'vitest'
import { backfill } from '../../../src/rooms/backfill.ts'
import { listBackwardExtremities } from '../../../src/store/extremities.ts'
import { engines } from '../../support/store.ts'
import { RoomsWorld } from '../../support/rooms-world.ts'

const at = (roomId: string) => `/rooms/${encodeURIComponent(roomId)}`
const text = (body: string) => ({ msgtype: 'm.text', body })

describe.each(['1', '3', '6', '10', '11', '12'])('rooms of version %s over federation', (version) => {
  test('three servers join by alias, by id and by way of each other, and agree', async () => {
    await using world = await RoomsWorld.start('a.test', 'b.test', 'c.test')
    const [a, b, c] = [world.server('a.test'), world.server('b.test'), world.server('c.test')]
    const [alice, bob, bert, carol] = [
      await a.user('alice'),
      await b.user('bob'),
      await b.user('bert'),
      await c.user('carol'),
    ]
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', {
      room_version: version,
      preset: 'public_chat',
      room_alias_name: 'pub',
    })
    await alice.ok('PUT', `${at(roomId)}/send/m.room.message/0`, text('before'))
    const joins = await Promise.all([
      bob.ok('POST', `/join/${encodeURIComponent('#pub:a.test')}`),
      bert.ok('POST', `/join/${encodeURIComponent(roomId)}?server_name=a.test`),
    ])
    expect(joins).toEqual([{ room_id: roomId }, { room_id: roomId }])
    // the second one waited for the first, and joined here
    expect(world.network.log.filter((line) => line.startsWith('b.test') && line.includes('/send_join/'))).toHaveLength(
      1,
    )
    await carol.ok('POST', `/join/${encodeURIComponent(roomId)}?via=b.test`)
    await world.settled(roomId, 'a.test', 'b.test', 'c.test')
    for (const [i, user] of [alice, bob, carol].entries())
      await user.ok('PUT', `${at(roomId)}/send/m.room.message/1`, text(`hello ${i}`))
    const rooms = await world.settled(roomId, 'a.test', 'b.test', 'c.test')
    for (const room of rooms) expect(room.hosts).toHaveLength(2)
    for (const server of [a, b, c])
      for (const user of [alice, bob, bert, carol])
        expect(await server.state(roomId, 'm.room.member', user.id)).toMatchObject({ membership: 'join' })
    const fresh = await c.room(roomId)
    const deps = c.composed.deps
    expect(await backfill(deps, fresh, { limit: 100, deadlineMs: 10_000 })).toBeGreaterThan(5)
    expect(await deps.database.read((conn) => listBackwardExtremities(conn, fresh.nid))).toEqual([])
    await bob.ok('POST', `${at(roomId)}/leave`)
    await bert.ok('POST', `${at(roomId)}/leave`)
    await expect.poll(async () => (await a.membership(roomId, bert.id))?.membership).toBe('leave')
    expect((await a.room(roomId)).hosts).toHaveLength(1)
  })

  test('an invite is accepted, declined, or declined where nobody hears it', async () => {
    await using world = await RoomsWorld.start('a.test', 'b.test', 'c.test', 'd.test')
    const servers = {
      a: world.server('a.test'),
      b: world.server('b.test'),
      c: world.server('c.test'),
      d: world.server('d.test'),
    }
    const alice = await servers.a.user('alice')
    const [bob, carol, dave] = [
      await servers.b.user('bob'),
      await servers.c.user('carol'),
      await servers.d.user('dave'),
    ]
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', {
      room_version: version,
      name: 'Secret',
      preset: 'private_chat',
      invite: [bob.id, carol.id, dave.id],
    })
    const invited = await servers.b.membership(roomId, bob.id)
    expect(invited?.membership).toBe('invite')
    const stripped = JSON.parse(invited?.stripped_state ?? '[]') as { type: string; content: object }[]
    expect(stripped.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['m.room.create', 'm.room.name', 'm.room.member']),
    )
    await bob.ok('POST', `${at(roomId)}/join`)
    expect(await servers.b.state(roomId, 'm.room.name')).toEqual({ name: 'Secret' })
    await carol.ok('POST', `${at(roomId)}/leave`)
    expect((await servers.c.membership(roomId, carol.id))?.membership).toBe('leave')
    await expect.poll(async () => (await servers.a.membership(roomId, carol.id))?.membership).toBe('leave')
    await expect.poll(async () => (await servers.b.membership(roomId, carol.id))?.membership).toBe('leave')
    world.network.cut('a.test', 'd.test')
    world.network.cut('a.test:8448', 'd.test')
    await dave.ok('POST', `${at(roomId)}/leave`)
    expect((await servers.d.membership(roomId, dave.id))?.membership).toBe('leave')
    await dave.ok('POST', `${at(roomId)}/forget`)
    world.network.heal()
    await alice.ok('PUT', `${at(roomId)}/send/m.room.message/1`, text('hello'))
    await world.settled(roomId, 'a.test', 'b.test')
  })
})

test.each(engines)('who was invited by a room that was left comes back into it (%s)', async (engine) => {
  await using world = await RoomsWorld.on(engine, 'a.test', 'b.test')
  const [alice, bob] = [await world.server('a.test').user('alice'), await world.server('b.test').user('bob')]
  const { room_id: roomId } = await alice.ok('POST', '/createRoom', { preset: 'private_chat', invite: [bob.id] })
  for (const round of [1, 2, 3]) {
    await bob.ok('POST', `${at(roomId)}/join`)
    await alice.ok('PUT', `${at(roomId)}/send/m.room.message/${round}`, text('hello'))
    await world.settled(roomId, 'a.test', 'b.test')
    await bob.ok('POST', `${at(roomId)}/leave`)
    await expect.poll(async () => (await world.server('a.test').membership(roomId, bob.id))?.membership).toBe('leave')
    await alice.ok('PUT', `${at(roomId)}/send/m.room.message/${round}x`, text('alone'))
    await alice.ok('POST', `${at(roomId)}/invite`, { user_id: bob.id })
    expect((await world.server('b.test').membership(roomId, bob.id))?.membership).toBe('invite')
  }
})

test.each(['7', '10', '12'])('a knock is heard over federation, and answered (version %s)', async (version) => {
  await using world = await RoomsWorld.start('a.test', 'b.test')
  const [a, b] = [world.server('a.test'), world.server('b.test')]
  const [alice, bob, bert] = [await a.user('alice'), await b.user('bob'), await b.user('bert')]
  const { room_id: roomId } = await alice.ok('POST', '/createRoom', {
    room_version: version,
    initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }],
  })
  for (const user of [bob, bert]) {
    await user.ok('POST', `/knock/${encodeURIComponent(roomId)}?via=a.test`, { reason: 'please' })
    expect((await b.membership(roomId, user.id))?.membership).toBe('knock')
    expect(await a.state(roomId, 'm.room.member', user.id)).toMatchObject({ membership: 'knock', reason: 'please' })
  }
  await bert.ok('POST', `${at(roomId)}/leave`)
  expect(await a.state(roomId, 'm.room.member', bert.id)).toMatchObject({ membership: 'leave' })
  await alice.ok('POST', `${at(roomId)}/invite`, { user_id: bob.id })
  await bob.ok('POST', `${at(roomId)}/join`)
  await world.settled(roomId, 'a.test', 'b.test')
})

test.each(['8', '10', '12'])(
  'a restricted room is joined through a server that can let the user in (version %s)',
  async (version) => {
    await using world = await RoomsWorld.start('a.test', 'b.test', 'c.test')
    const [a, b, c] = [world.server('a.test'), world.server('b.test'), world.server('c.test')]
    const [alice, bob, carol, cora] = [
      await a.user('alice'),
      await b.user('bob'),
      await c.user('carol'),
      await c.user('cora'),
    ]
    const { room_id: club } = await alice.ok('POST', '/createRoom', { preset: 'public_chat' })
    for (const user of [bob, carol, cora]) await user.ok('POST', `/join/${encodeURIComponent(club)}?via=a.test`)
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', {
      room_version: version,
      power_level_content_override: { invite: 50 },
      initial_state: [
        {
          type: 'm.room.join_rules',
          content: { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: club }] },
        },
      ],
    })
    await bob.ok('POST', `/join/${encodeURIComponent(roomId)}?via=a.test`)
    await world.settled(roomId, 'a.test', 'b.test')
    // b.test sees that carol may join, but has nobody who may let her in: a.test is asked next
    await carol.ok('POST', `/join/${encodeURIComponent(roomId)}?via=b.test&via=a.test`)
    expect(await c.state(roomId, 'm.room.member', carol.id)).toMatchObject({
      join_authorised_via_users_server: alice.id,
    })
    // c.test is in the room now, and has nobody either: the join goes through a.test
    await cora.ok('POST', `/join/${encodeURIComponent(roomId)}`)
    await world.settled(roomId, 'a.test', 'b.test', 'c.test')
    for (const server of [a, b, c])
      expect(await server.state(roomId, 'm.room.member', cora.id)).toMatchObject({ membership: 'join' })
    const dora = await c.user('dora')
    const refused = await dora.call('POST', `/join/${encodeURIComponent(roomId)}`)
    expect(refused).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
  },
)

test('a room of this server alone, a denied server and an unknown room are not joined from outside', async () => {
  await using world = await RoomsWorld.start('a.test', 'b.test')
  const [alice, bob] = [await world.server('a.test').user('alice'), await world.server('b.test').user('bob')]
  const create = async (more: object) =>
    (await alice.ok('POST', '/createRoom', { preset: 'public_chat', ...more })).room_id as string
  const join = (roomId: string) => bob.call('POST', `/join/${encodeURIComponent(roomId)}?via=a.test`)
  const alone = await create({ creation_content: { 'm.federate': false } })
  expect(await join(alone)).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
  const denied = await create({
    initial_state: [{ type: 'm.room.server_acl', content: { allow: ['*'], deny: ['b.test'] } }],
  })
  expect(await join(denied)).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
  expect(await join('!unknown:a.test')).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
  expect(await join('!unknown:gone.test')).toMatchObject({ status: 404 })
})
