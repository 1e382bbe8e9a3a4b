import { describe, expect, test } from 'vitest'
import { engines } from '../../support/store.ts'
import { RoomsWorld } from '../../support/rooms-world.ts'
import type { WorldUser } from '../../support/rooms-world.ts'

const at = (roomId: string) => `/rooms/${encodeURIComponent(roomId)}`
const code = async (user: WorldUser, method: string, path: string, body: unknown = {}) => {
  const answer = await user.call(method, path, body)
  return answer.status === 200 ? 200 : `${answer.status} ${answer.body.errcode}`
}

describe.each(engines)('on %s', (engine) => {
  test('joining, leaving, kicking, banning and forgetting follow the rules', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const a = world.server('a.test')
    const [alice, bob, carol] = [await a.user('alice'), await a.user('bob'), await a.user('carol')]
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', { preset: 'private_chat' })
    expect(await code(bob, 'POST', `${at(roomId)}/join`)).toBe('403 M_FORBIDDEN')
    expect(await code(bob, 'POST', `${at(roomId)}/leave`)).toBe('403 M_FORBIDDEN')
    expect(await code(bob, 'POST', `${at('!nothing:a.test')}/leave`)).toBe('403 M_FORBIDDEN')
    expect(await code(bob, 'POST', `${at(roomId)}/invite`, { user_id: carol.id })).toBe('403 M_FORBIDDEN')
    expect(await code(bob, 'POST', `${at(roomId)}/kick`, { user_id: alice.id })).toBe('403 M_FORBIDDEN')
    await alice.ok('POST', `${at(roomId)}/invite`, { user_id: bob.id, reason: 'come' })
    expect(await a.state(roomId, 'm.room.member', bob.id)).toMatchObject({ membership: 'invite', reason: 'come' })
    await bob.ok('POST', `${at(roomId)}/join`)
    await bob.ok('POST', `${at(roomId)}/join`)
    expect(await code(alice, 'POST', `${at(roomId)}/invite`, { user_id: bob.id })).toBe('403 M_FORBIDDEN')
    expect(await code(bob, 'POST', `${at(roomId)}/kick`, { user_id: alice.id })).toBe('403 M_FORBIDDEN')
    expect(await code(alice, 'POST', `${at(roomId)}/kick`, { user_id: carol.id })).toBe('403 M_FORBIDDEN')
    expect(await code(alice, 'POST', `${at(roomId)}/unban`, { user_id: bob.id })).toBe('403 M_FORBIDDEN')
    expect(await code(bob, 'POST', `${at(roomId)}/forget`)).toBe('400 M_UNKNOWN')
    await alice.ok('POST', `${at(roomId)}/kick`, { user_id: bob.id, reason: 'enough' })
    expect(await a.state(roomId, 'm.room.member', bob.id)).toEqual({ membership: 'leave', reason: 'enough' })
    await alice.ok('PUT', `${at(roomId)}/state/m.room.member/${encodeURIComponent(bob.id)}`, { membership: 'ban' })
    expect(await code(alice, 'POST', `${at(roomId)}/invite`, { user_id: bob.id })).toBe('403 M_FORBIDDEN')
    expect(await code(alice, 'POST', `${at(roomId)}/kick`, { user_id: bob.id })).toBe('403 M_FORBIDDEN')
    expect(await code(bob, 'POST', `${at(roomId)}/leave`)).toBe('403 M_FORBIDDEN')
    await bob.ok('POST', `${at(roomId)}/forget`)
    expect((await a.membership(roomId, bob.id))?.forgotten).toBe(true)
    await alice.ok('POST', `${at(roomId)}/unban`, { user_id: bob.id })
    expect((await a.membership(roomId, bob.id))?.membership).toBe('leave')
    await alice.ok('POST', `${at(roomId)}/leave`)
    await alice.ok('POST', `${at(roomId)}/leave`)
    await alice.ok('POST', `${at(roomId)}/forget`)
  })

  test('member events carry the profile, and follow it in every room', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const a = world.server('a.test')
    const alice = await a.user('alice')
    await alice.ok('PUT', `/profile/${encodeURIComponent(alice.id)}/displayname`, { displayname: 'Alice' })
    const { room_id: first } = await alice.ok('POST', '/createRoom', {})
    const { room_id: second } = await alice.ok('POST', '/createRoom', {})
    expect(await a.state(first, 'm.room.member', alice.id)).toEqual({ membership: 'join', displayname: 'Alice' })
    await alice.ok('PUT', `/profile/${encodeURIComponent(alice.id)}/displayname`, { displayname: 'Alicia' })
    for (const roomId of [first, second])
      expect(await a.state(roomId, 'm.room.member', alice.id)).toEqual({ membership: 'join', displayname: 'Alicia' })
    const before = (await a.room(first)).nextOrd
    await alice.ok('PUT', `/profile/${encodeURIComponent(alice.id)}/displayname`, { displayname: 'Alicia' })
    expect((await a.room(first)).nextOrd).toBe(before)
  })

  test('who is deactivated, or blocks invites, is not invited', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const a = world.server('a.test')
    const [alice, bob, carol] = [await a.user('alice'), await a.user('bob'), await a.user('carol')]
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', {})
    const config = `/user/${encodeURIComponent(bob.id)}/account_data/m.invite_permission_config`
    await bob.ok('PUT', config, { default_action: 'block' })
    expect(await code(alice, 'POST', `${at(roomId)}/invite`, { user_id: bob.id })).toBe('403 M_INVITE_BLOCKED')
    expect(
      await code(alice, 'PUT', `${at(roomId)}/state/m.room.member/${encodeURIComponent(bob.id)}`, {
        membership: 'invite',
      }),
    ).toBe('403 M_INVITE_BLOCKED')
    await bob.ok('PUT', config, {})
    await alice.ok('POST', `${at(roomId)}/invite`, { user_id: bob.id })
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'carol' },
      password: 'correct horse',
    }
    const { session } = (await carol.call('POST', '/account/deactivate', {})).body
    await carol.ok('POST', '/account/deactivate', { auth: { ...auth, session } })
    expect(await code(alice, 'POST', `${at(roomId)}/invite`, { user_id: carol.id })).toBe('404 M_NOT_FOUND')
    expect(await code(alice, 'POST', `${at(roomId)}/invite`, { user_id: '@never:a.test' })).toBe('404 M_NOT_FOUND')
  })

  test('a restricted room lets in members of another, in the name of somebody who may invite', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const a = world.server('a.test')
    const [alice, bob, carol] = [await a.user('alice'), await a.user('bob'), await a.user('carol')]
    const { room_id: club } = await alice.ok('POST', '/createRoom', { invite: [bob.id] })
    await bob.ok('POST', `${at(club)}/join`)
    const rule = { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: club }] }
    for (const version of ['8', '10', '12']) {
      const { room_id: roomId } = await alice.ok('POST', '/createRoom', {
        room_version: version,
        power_level_content_override: { invite: 50 },
        initial_state: [{ type: 'm.room.join_rules', content: rule }],
      })
      expect(await code(carol, 'POST', `${at(roomId)}/join`)).toBe('403 M_FORBIDDEN')
      const asMember = (user: WorldUser) => `${at(roomId)}/state/m.room.member/${encodeURIComponent(user.id)}`
      const forged = { membership: 'join', join_authorised_via_users_server: alice.id }
      expect(await code(carol, 'PUT', asMember(carol), forged)).toBe('403 M_FORBIDDEN')
      await bob.ok('PUT', asMember(bob), { membership: 'join', displayname: 'Bobby' })
      expect(await a.state(roomId, 'm.room.member', bob.id)).toEqual({
        membership: 'join',
        displayname: 'Bobby',
        join_authorised_via_users_server: alice.id,
      })
      // who is in echoes the content that is there: nobody would sign for it again
      await bob.ok('PUT', asMember(bob), { ...forged, displayname: 'Bob' })
      expect(await a.state(roomId, 'm.room.member', bob.id)).toEqual({ membership: 'join', displayname: 'Bob' })
      await bob.ok('POST', `${at(roomId)}/leave`)
      await bob.ok('POST', `${at(roomId)}/join`)
      expect(await a.state(roomId, 'm.room.member', bob.id)).toMatchObject({
        join_authorised_via_users_server: alice.id,
      })
      await alice.ok('POST', `${at(roomId)}/leave`)
      await bob.ok('POST', `${at(roomId)}/leave`)
      expect(await code(bob, 'POST', `${at(roomId)}/join`)).toBe('400 M_UNABLE_TO_GRANT_JOIN')
    }
  })

  test('guests join where they may, and leave when they may no longer', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const a = world.server('a.test')
    const [alice, guest] = [await a.user('alice'), await a.guest()]
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', { preset: 'public_chat' })
    const access = `${at(roomId)}/state/m.room.guest_access`
    expect(await code(guest, 'POST', `${at(roomId)}/join`)).toBe('403 M_GUEST_ACCESS_FORBIDDEN')
    const own = `${at(roomId)}/state/m.room.member/${encodeURIComponent(guest.id)}`
    expect(await code(guest, 'PUT', own, { membership: 'join' })).toBe('403 M_GUEST_ACCESS_FORBIDDEN')
    expect(await code(guest, 'POST', '/createRoom')).toBe('403 M_GUEST_ACCESS_FORBIDDEN')
    await alice.ok('PUT', access, { guest_access: 'can_join' })
    await guest.ok('POST', `${at(roomId)}/join`)
    await guest.ok('PUT', `${at(roomId)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'hello' })
    await alice.ok('PUT', access, { guest_access: 'forbidden' })
    await expect.poll(async () => (await a.membership(roomId, guest.id))?.membership).toBe('leave')
    expect((await a.membership(roomId, alice.id))?.membership).toBe('join')
  })

  test('who leaves twice at once has left once', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const a = world.server('a.test')
    const [alice, bob] = [await a.user('alice'), await a.user('bob')]
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', { preset: 'public_chat', name: 'here' })
    await bob.ok('POST', `${at(roomId)}/join`)
    await Promise.all([1, 2, 3, 4].map(() => bob.ok('POST', `${at(roomId)}/leave`)))
    // still by an event of the room: what was before can be read
    expect(await bob.ok('GET', `${at(roomId)}/state/m.room.name`)).toEqual({ name: 'here' })
  })

  test('guests leave when another server closes the room to them', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test', 'b.test')
    const [a, b] = [world.server('a.test'), world.server('b.test')]
    const [alice, bob, guest] = [await a.user('alice'), await b.user('bob'), await b.guest()]
    const open = [{ type: 'm.room.guest_access', content: { guest_access: 'can_join' } }]
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', { preset: 'public_chat', initial_state: open })
    await bob.ok('POST', `/join/${encodeURIComponent(roomId)}?via=a.test`)
    await guest.ok('POST', `${at(roomId)}/join`)
    await alice.ok('PUT', `${at(roomId)}/state/m.room.guest_access`, { guest_access: 'forbidden' })
    await expect.poll(async () => (await b.membership(roomId, guest.id))?.membership).toBe('leave')
    expect((await b.membership(roomId, bob.id))?.membership).toBe('join')
  })

  test('what would break a room or its clients is not sent', async () => {
    await using world = await RoomsWorld.on(engine, 'a.test')
    const alice = await world.server('a.test').user('alice')
    const { room_id: roomId } = await alice.ok('POST', '/createRoom', {})
    const { room_id: other } = await alice.ok('POST', '/createRoom', { room_alias_name: 'other' })
    const put = (path: string, body: unknown) => code(alice, 'PUT', `${at(roomId)}${path}`, body)
    expect(await put('/send/m.room.message/1', { msgtype: 'm.text' })).toBe('400 M_BAD_JSON')
    expect(await put('/send/m.room.redaction/2', {})).toBe('400 M_BAD_JSON')
    expect(await put('/state/m.room.server_acl', { allow: ['b.test'] })).toBe('400 M_BAD_JSON')
    expect(await put('/state/m.room.power_levels', { users: { [alice.id]: '100' } })).toBe('400 M_BAD_JSON')
    expect(await put('/state/m.room.canonical_alias', { alias: '#other:a.test' })).toBe('400 M_BAD_ALIAS')
    expect(await put('/state/m.room.canonical_alias', { alias: '#none:a.test' })).toBe('400 M_BAD_ALIAS')
    expect(await put('/state/m.room.canonical_alias', { alias: 'nonsense' })).toBe('400 M_INVALID_PARAM')
    expect(await put('/state/m.room.tombstone', { body: '', replacement_room: roomId })).toBe('400 M_BAD_JSON')
    expect(await put('/state/m.room.member/nobody', { membership: 'invite' })).toBe('400 M_INVALID_PARAM')
    expect(await put('/send/m.room.message/3', { msgtype: 'm.text', body: 'x'.repeat(70_000) })).toBe('413 M_TOO_LARGE')
    const sent = await alice.ok('PUT', `${at(roomId)}/send/m.room.message/4`, { msgtype: 'm.text', body: 'once' })
    expect(await alice.ok('PUT', `${at(roomId)}/send/m.room.message/4`, { msgtype: 'm.text', body: 'once' })).toEqual(
      sent,
    )
    const reaction = { 'm.relates_to': { rel_type: 'm.annotation', event_id: sent.event_id, key: '+' } }
    expect(await put('/send/m.reaction/5', reaction)).toBe(200)
    expect(await put('/send/m.reaction/6', reaction)).toBe('400 M_DUPLICATE_ANNOTATION')
    expect(await code(alice, 'PUT', `${at(other)}/redact/${encodeURIComponent(sent.event_id)}/7`, {})).toBe(
      '404 M_NOT_FOUND',
    )
    expect(await put(`/redact/${encodeURIComponent(sent.event_id)}/8`, { reason: 'no' })).toBe(200)
  })
})
