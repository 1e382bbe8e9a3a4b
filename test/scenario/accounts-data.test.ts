import { afterEach, describe, expect, test } from 'vitest'
import { setFlag } from '../../src/accounts/moderation.ts'
import { findAccountData } from '../../src/store/account-data.ts'
import { findAccountByUserId, insertAccount, putAccountDeactivated } from '../../src/store/accounts.ts'
import { findPushRules } from '../../src/store/push-rules.ts'
import { changeRoomHost } from '../../src/store/room-hosts.ts'
import { insertRoom } from '../../src/store/rooms.ts'
import { putMemberships } from '../../src/store/memberships.ts'
import { putServer } from '../../src/store/servers.ts'
import { putUser } from '../../src/store/users.ts'
import { finishDeactivations } from '../../src/accounts/sweep.ts'
import type { RoomId, ServerName, UserId } from '../../src/protocol/ids.ts'
import type { AccountsWorld } from '../support/accounts.ts'
import { startAccounts } from '../support/accounts.ts'
import { engines } from '../support/store.ts'

const v3 = '/_matrix/client/v3'
let world: AccountsWorld
afterEach(() => world?.[Symbol.asyncDispose]())

const id = encodeURIComponent

describe.each(engines)('%s', (engine) => {
  test("profiles: set, read, remove; only one's own", async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    await world.register('bob')
    const path = `${v3}/profile/${id(userId)}`
    const put = (key: string, body: object, of = path) => world.call('PUT', `${of}/${key}`, { token, body })
    expect((await world.call('GET', path)).body).toEqual({})
    expect((await world.call('GET', `${path}/displayname`)).status).toBe(404)
    expect((await put('displayname', { displayname: 'Alice' })).status).toBe(200)
    expect((await put('avatar_url', { avatar_url: 'mxc://a.test/abc' })).status).toBe(200)
    expect((await put('m.tz', { 'm.tz': 'Europe/Berlin' })).status).toBe(200)
    expect((await put('org.example.pets', { 'org.example.pets': [{ cat: 1.5 }, null] })).status).toBe(200)
    expect((await world.call('GET', path)).body).toEqual({
      displayname: 'Alice',
      avatar_url: 'mxc://a.test/abc',
      'm.tz': 'Europe/Berlin',
      'org.example.pets': [{ cat: 1.5 }, null],
    })
    expect(world.told.profiles).toEqual([userId, userId])
    expect((await put('displayname', { displayname: 'Alice' })).status).toBe(200)
    expect(world.told.profiles).toHaveLength(2)
    expect((await put('displayname', { displayname: 'X' }, `${v3}/profile/${id('@bob:a.test')}`)).body.errcode).toBe(
      'M_FORBIDDEN',
    )
    expect((await world.call('DELETE', `${path}/displayname`, { token })).status).toBe(200)
    expect((await put('avatar_url', { avatar_url: '' })).status).toBe(200)
    expect(Object.keys((await world.call('GET', path)).body)).toEqual(['m.tz', 'org.example.pets'])
    expect((await world.call('GET', `${v3}/profile/${id('@nobody:a.test')}`)).body.errcode).toBe('M_NOT_FOUND')
  })

  test('profiles: limits and forms', async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    const put = async (key: string, body: object) =>
      (await world.call('PUT', `${v3}/profile/${id(userId)}/${key}`, { token, body })).body.errcode
    expect(await put('displayname', { other: 1 })).toBe('M_MISSING_PARAM')
    expect(await put('displayname', { displayname: 7 })).toBe('M_BAD_JSON')
    expect(await put('displayname', { displayname: null })).toBe('M_BAD_JSON')
    expect(await put('displayname', { displayname: 'ä'.repeat(129) })).toBe('M_INVALID_PARAM')
    expect(await put('displayname', { displayname: 'ä'.repeat(128) })).toBeUndefined()
    expect(await put('avatar_url', { avatar_url: 'https://evil.test/x.png' })).toBe('M_INVALID_PARAM')
    expect(await put('avatar_url', { avatar_url: `mxc://a.test/${'x'.repeat(1000)}` })).toBe('M_INVALID_PARAM')
    expect(await put('Bad-Key', { 'Bad-Key': 1 })).toBe('M_INVALID_PARAM')
    expect(await put(`a.${'b'.repeat(300)}`, {})).toBe('M_MISSING_PARAM')
    const key = `a.${'b'.repeat(300)}`
    expect(await put(key, { [key]: 1 })).toBe('M_KEY_TOO_LARGE')
    expect(await put('a.one', { 'a.one': 'x'.repeat(40_000) })).toBeUndefined()
    expect(await put('a.two', { 'a.two': 'x'.repeat(40_000) })).toBe('M_PROFILE_TOO_LARGE')
    expect(await put('a.one', { 'a.one': 'x'.repeat(60_000) })).toBeUndefined()
  })

  test('profiles of other servers: asked for those who are logged in, without what a profile cannot hold', async () => {
    world = await startAccounts(engine)
    const { token } = await world.register('alice')
    const path = `${v3}/profile/${id('@eve:b.test')}`
    expect((await world.call('GET', path)).body.errcode).toBe('M_FORBIDDEN')
    expect((await world.call('GET', path, { token })).body).toEqual({ displayname: 'remote @eve:b.test' })
    expect((await world.call('GET', `${path}/avatar_url`, { token })).status).toBe(404)
  })

  test('a suspended account cannot change its profile', async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    await setFlag(world.deps, { actor: 'operator' }, userId, 'suspended', true)
    const answer = await world.call('PUT', `${v3}/profile/${id(userId)}/displayname`, {
      token,
      body: { displayname: 'A' },
    })
    expect([answer.status, answer.body.errcode]).toEqual([403, 'M_USER_SUSPENDED'])
    expect((await world.call('GET', `${v3}/devices`, { token })).status).toBe(200)
  })

  test("account data: as it was sent, one's own, managed types refused, readers woken", async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    const at = (type: string, user: string = userId) => `${v3}/user/${id(user)}/account_data/${type}`
    const content = { a: [1, 2.5, { b: null }], ünï: '\u0000x' }
    expect((await world.call('GET', at('org.x'), { token })).body.errcode).toBe('M_NOT_FOUND')
    expect((await world.call('PUT', at('org.x'), { token, body: content })).status).toBe(200)
    expect((await world.call('GET', at('org.x'), { token })).body).toEqual(content)
    for (const type of ['m.fully_read', 'm.push_rules']) {
      const refused = await world.call('PUT', at(type), { token, body: {} })
      expect([refused.status, refused.body.errcode]).toEqual([405, 'M_BAD_JSON'])
    }
    expect((await world.call('GET', at('m.push_rules'), { token })).body.global.override[0]?.rule_id).toBe(
      '.m.rule.master',
    )
    expect((await world.call('GET', at('org.x', '@bob:a.test'), { token })).body.errcode).toBe('M_FORBIDDEN')
    expect((await world.call('PUT', at('org.x', '@bob:a.test'), { token, body: {} })).status).toBe(403)
    expect((await world.call('PUT', at('org.big'), { token, body: { x: 'y'.repeat(250 * 1024) } })).status).toBe(200)
    expect((await world.call('PUT', at('org.big'), { token, body: { x: 'y'.repeat(257 * 1024) } })).status).toBe(413)
    expect((await world.call('PUT', at('org.x'), { token, body: [] as unknown as object })).body.errcode).toBe(
      'M_BAD_JSON',
    )
    const { user_nid: nid } = (await world.database.read((conn) => findAccountByUserId(conn, userId))) ?? {
      user_nid: 0,
    }
    expect(world.told.announced).toContainEqual({ userNids: [nid] })
    const before = await world.database.read((conn) => findAccountData(conn, nid, 0, 'org.x'))
    await world.call('PUT', at('org.x'), { token, body: { z: 1 } })
    const after = await world.database.read((conn) => findAccountData(conn, nid, 0, 'org.x'))
    expect(after?.pos).toBeGreaterThan(before?.pos ?? 0)
  })

  test('account data and tags of a room that one never had to do with: 404, like an unknown room', async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    const room = `${v3}/user/${id(userId)}/rooms/${id('!r:b.test')}`
    expect((await world.call('PUT', `${room}/account_data/org.x`, { token, body: {} })).status).toBe(404)
    expect((await world.call('PUT', `${room}/tags/u.x`, { token, body: {} })).status).toBe(404)
    expect((await world.call('GET', `${room}/tags`, { token })).body).toEqual({ tags: {} })
    const bad = await world.call('PUT', `${v3}/user/${id(userId)}/rooms/nonsense/account_data/org.x`, {
      token,
      body: {},
    })
    expect(bad.body.errcode).toBe('M_INVALID_PARAM')
  })

  test('filters: stored once, read back, bad ones refused', async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    const path = `${v3}/user/${id(userId)}/filter`
    const filter = { room: { timeline: { limit: 10, types: ['m.room.message'] } }, event_fields: ['type'] }
    const first = await world.call('POST', path, { token, body: filter })
    expect(first.body.filter_id).toMatch(/^[0-9]+$/)
    expect((await world.call('POST', path, { token, body: { ...filter } })).body).toEqual(first.body)
    expect((await world.call('GET', `${path}/${first.body.filter_id}`, { token })).body).toEqual(filter)
    expect((await world.call('GET', `${path}/999`, { token })).status).toBe(404)
    expect((await world.call('GET', `${path}/x`, { token })).status).toBe(404)
    expect(
      (await world.call('POST', path, { token, body: { room: { timeline: { limit: 'many' } } } })).body.errcode,
    ).toBe('M_BAD_JSON')
    const bob = await world.register('bob')
    const stolen = await world.call('GET', `${v3}/user/${id(bob.userId)}/filter/${first.body.filter_id}`, {
      token: bob.token,
    })
    expect(stolen.status).toBe(404)
  })

  test('push rules: predefined, own, order, enabled, actions', async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    const path = `${v3}/pushrules/global`
    const put = (rest: string, body: object) => world.call('PUT', `${path}/${rest}`, { token, body })
    const get = (rest: string) => world.call('GET', `${path}/${rest}`, { token })
    expect((await world.call('GET', `${v3}/pushrules/`, { token })).body.global.underride.length).toBeGreaterThan(3)
    expect((await put('content/cake', { pattern: 'cake*', actions: ['notify'] })).status).toBe(200)
    expect((await put('content/tea?before=cake', { pattern: 'tea', actions: [] })).status).toBe(200)
    expect((await put('content/ale?after=cake', { pattern: 'ale', actions: [] })).status).toBe(200)
    const order = async () => (await get('')).body.content.map((rule) => rule.rule_id)
    expect(await order()).toEqual(['tea', 'cake', 'ale'])
    expect((await put('content/x?before=none', { pattern: 'x', actions: [] })).status).toBe(400)
    expect((await put('content/.m.rule.x', { pattern: 'x', actions: [] })).status).toBe(400)
    expect((await put('colour/x', { actions: [] })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await get('content/cake')).body).toEqual({
      rule_id: 'cake',
      default: false,
      enabled: true,
      pattern: 'cake*',
      actions: ['notify'],
    })
    expect((await put('content/cake/enabled', { enabled: false })).status).toBe(200)
    expect((await get('content/cake/enabled')).body).toEqual({ enabled: false })
    expect((await put('underride/.m.rule.message/actions', { actions: [] })).status).toBe(200)
    expect((await get('underride/.m.rule.message/actions')).body).toEqual({ actions: [] })
    expect((await world.call('DELETE', `${path}/content/cake`, { token })).status).toBe(200)
    expect((await world.call('DELETE', `${path}/content/cake`, { token })).status).toBe(404)
    expect((await put('override/none/enabled', { enabled: true })).status).toBe(404)
    const { user_nid: nid } = (await world.database.read((conn) => findAccountByUserId(conn, userId))) ?? {
      user_nid: 0,
    }
    const row = await world.database.read((conn) => findPushRules(conn, nid))
    expect(row?.pos).toBeGreaterThan(0)
    // what a user changed is stored, not the predefined rules
    expect(row?.rules).not.toContain('.m.rule.tombstone')
  })

  test('parallel changes of push rules and tags lose nothing', async () => {
    world = await startAccounts(engine)
    const { token } = await world.register('alice')
    const put = (name: string) =>
      world.call('PUT', `${v3}/pushrules/global/content/${name}`, { token, body: { pattern: name, actions: [] } })
    await Promise.all(Array.from({ length: 20 }, (_, i) => put(`rule${i}`)))
    expect((await world.call('GET', `${v3}/pushrules/global/`, { token })).body.content).toHaveLength(20)
  })

  test('versions: every one without a gap; a bad token is refused', async () => {
    world = await startAccounts(engine)
    const { body, headers } = await world.call('GET', '/_matrix/client/versions')
    expect(body.versions).toEqual(expect.arrayContaining(['r0.0.1', 'r0.6.1', 'v1.1', 'v1.10', 'v1.19']))
    expect(body.versions).toHaveLength(8 + 19)
    expect(headers.get('vary')).toBe('Authorization')
    expect((await world.call('GET', '/_matrix/client/versions', { token: 'bad' })).body.errcode).toBe('M_UNKNOWN_TOKEN')
  })

  test('what a client asks while it logs in', async () => {
    world = await startAccounts(engine)
    const { token } = await world.register('alice')
    const get = async (path: string) => (await world.call('GET', path, { token })).body
    expect((await get(`${v3}/capabilities`)).capabilities).toMatchObject({
      'm.change_password': { enabled: true },
      'm.room_versions': { default: '12', available: { 1: 'stable', 12: 'stable' } },
      'm.3pid_changes': { enabled: false },
    })
    expect(await get(`${v3}/voip/turnServer`)).toEqual({})
    expect(await get(`${v3}/thirdparty/protocols`)).toEqual({})
    expect(await get(`${v3}/pushers`)).toEqual({ pushers: [] })
    expect(await get(`${v3}/account/3pid`)).toEqual({ threepids: [] })
    expect((await get(`${v3}/room_keys/version`)).errcode).toBe('M_NOT_FOUND')
    expect((await get('/_matrix/client/v1/auth_metadata')).errcode).toBe('M_UNRECOGNIZED')
    expect((await get(`${v3}/login`)).flows).toEqual([
      { type: 'm.login.password' },
      { type: 'm.login.token', get_login_token: true },
    ])
  })
})

/** Puts @alice and a user of another server into a room. */
async function joinRoom(userId: UserId, roomId: RoomId): Promise<void> {
  await world.database.write(async (tx) => {
    const roomNid = (await insertRoom(tx, { roomId, version: '12', partialState: false })) ?? 0
    const userNid = await putUser(tx, userId)
    const serverNid = await putServer(tx, 'b.test' as ServerName)
    const position = { writer: tx.writerNid, pos: tx.nextPosition() }
    await putMemberships(tx, [
      {
        user_nid: userNid,
        room_nid: roomNid,
        membership: 'join',
        event_nid: 1,
        sender_nid: userNid,
        local: true,
        forgotten: false,
        ...position,
        ord: 1,
        display_name: null,
        avatar_url: null,
      },
    ])
    await changeRoomHost(tx, { roomNid, serverNid, by: 1, ts: 1 })
  })
}

describe.each(engines)('%s, in a room', (engine) => {
  test('tags and account data of a room', async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    await joinRoom(userId, '!r:b.test')
    const room = `${v3}/user/${id(userId)}/rooms/${id('!r:b.test')}`
    const put = (path: string, body: object) => world.call('PUT', `${room}/${path}`, { token, body })
    expect((await put('tags/m.favourite', { order: 0.25 })).status).toBe(200)
    expect((await put('tags/u.x', {})).status).toBe(200)
    expect((await world.call('GET', `${room}/tags`, { token })).body).toEqual({
      tags: { 'm.favourite': { order: 0.25 }, 'u.x': {} },
    })
    expect((await world.call('GET', `${room}/account_data/m.tag`, { token })).body.tags['m.favourite']).toEqual({
      order: 0.25,
    })
    expect((await world.call('DELETE', `${room}/tags/u.x`, { token })).status).toBe(200)
    expect((await world.call('GET', `${room}/tags`, { token })).body).toEqual({
      tags: { 'm.favourite': { order: 0.25 } },
    })
    expect((await put('tags/u.y', { order: 'first' })).body.errcode).toBe('M_BAD_JSON')
    expect((await put(`tags/u.${'y'.repeat(255)}`, {})).body.errcode).toBe('M_INVALID_PARAM')
    await Promise.all(Array.from({ length: 10 }, (_, i) => put(`tags/u.${i}`, {})))
    expect(Object.keys((await world.call('GET', `${room}/tags`, { token })).body.tags)).toHaveLength(11)
    expect((await put('account_data/m.fully_read', {})).status).toBe(405)
  })

  test("P13: other servers in the user's rooms are told that a device is deleted", async () => {
    world = await startAccounts(engine)
    const { token, userId, deviceId } = await world.register('alice')
    await joinRoom(userId, '!r:b.test')
    await world.call('POST', `${v3}/logout`, { token })
    const content = { user_id: userId, device_id: deviceId, deleted: true, prev_id: [], stream_id: expect.any(Number) }
    expect(world.told.edus).toEqual([{ hosts: [expect.any(Number)], type: 'm.device_list_update', content }])
  })

  test('a deactivated account that is still in a room is made to leave later', async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    await joinRoom(userId, '!r:b.test')
    const auth = { type: 'm.login.password', user: 'alice', password: 'correct horse' }
    await world.call('POST', `${v3}/account/deactivate`, { token, body: { auth } })
    expect(world.told.left).toEqual([userId])
    await finishDeactivations(world.deps, world.deps.departure)
    expect(world.told.left).toEqual([userId, userId])
  })

  test('deactivated accounts that cannot leave yet do not stand in the way of the others', async () => {
    world = await startAccounts(engine)
    const userIds = Array.from({ length: 230 }, (_, i): UserId => `@gone${String(i).padStart(3, '0')}:a.test`)
    await world.deps.database.write(async (tx) => {
      for (const user of userIds) {
        const userNid = await putUser(tx, user)
        await insertAccount(tx, { userNid, password: undefined, kind: 'user', admin: false, ts: 1 })
        await putAccountDeactivated(tx, userNid, 2)
      }
    })
    for (const user of userIds) await joinRoom(user, '!r:b.test')
    const asked: UserId[] = []
    await finishDeactivations(world.deps, {
      leaveAllRooms: async ({ userId }) => {
        asked.push(userId)
        if (asked.length <= 150) throw new Error('their servers are away')
      },
    })
    expect(asked).toEqual(userIds)
  })
})
