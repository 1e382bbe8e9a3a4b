import { afterEach, describe, expect, test } from 'vitest'
import { createAccount } from '../../src/accounts/create-account.ts'
import { getOpenIdUser } from '../../src/accounts/short-tokens.ts'
import { findAccountByUserId } from '../../src/store/accounts.ts'
import { listAudit } from '../../src/store/audit.ts'
import { listDevices } from '../../src/store/devices.ts'
import type { AccountsWorld } from '../support/accounts.ts'
import { startAccounts } from '../support/accounts.ts'
import { engines } from '../support/store.ts'

const v3 = '/_matrix/client/v3'
let world: AccountsWorld
afterEach(() => world?.[Symbol.asyncDispose]())

const proof = (user: string, password = 'correct horse') => ({
  type: 'm.login.password',
  identifier: { type: 'm.id.user', user },
  password,
})
const whoami = (token: string) => world.call('GET', `${v3}/account/whoami`, { token })
const logIn = (user: string, password = 'correct horse') =>
  world.call('POST', `${v3}/login`, { body: { ...proof(user, password), refresh_token: true } })

describe.each(engines)('%s', (engine) => {
  test('P20: deactivation asks for the password, in a session bound to user and request', async () => {
    world = await startAccounts(engine)
    const alice = await world.register('alice')
    const bob = await world.register('bob')
    const ask = (token: string, body: object) => world.call('POST', `${v3}/account/deactivate`, { token, body })
    const begun = await ask(alice.token, {})
    expect([begun.status, begun.body.flows]).toEqual([401, [{ stages: ['m.login.password'] }]])
    const { session } = begun.body
    const wrong = await ask(alice.token, { auth: { ...proof('alice', 'wrong password'), session } })
    expect([wrong.status, wrong.body.errcode, wrong.body.session]).toEqual([401, 'M_FORBIDDEN', session])
    expect((await ask(alice.token, { auth: { ...proof('bob'), session } })).body.errcode).toBe('M_FORBIDDEN')
    expect((await ask(alice.token, { auth: { ...proof('@alice:b.test'), session } })).status).toBe(401)
    expect((await ask(bob.token, { auth: { ...proof('bob'), session } })).status).toBe(403)
    const elsewhere = await world.call('POST', `${v3}/account/password`, {
      token: alice.token,
      body: { new_password: 'another horse', auth: { ...proof('alice'), session } },
    })
    expect(elsewhere.status).toBe(403)
    expect((await ask(alice.token, { auth: { type: 'm.login.dummy', session } })).status).toBe(401)
    expect((await whoami(alice.token)).status).toBe(200)
    expect((await ask(alice.token, { auth: { ...proof('alice'), session } })).body).toEqual({
      id_server_unbind_result: 'success',
    })
    expect((await whoami(alice.token)).status).toBe(401)
  })

  test('P5, P6: a deactivated account: nothing of it works, its password is gone, its name stays taken', async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    const { body: other } = await logIn('alice')
    const openId = await world.call('POST', `${v3}/user/${encodeURIComponent(userId)}/openid/request_token`, {
      token,
      body: {},
    })
    expect(await getOpenIdUser(world.deps, openId.body.access_token)).toBe(userId)
    const { body: login } = await world.call('POST', '/_matrix/client/v1/login/get_token', {
      token,
      body: { auth: proof('alice') },
    })
    await world.call('POST', `${v3}/account/deactivate`, { token, body: { auth: proof('alice') } })
    for (const each of [token, other.access_token]) expect((await whoami(each)).body.errcode).toBe('M_UNKNOWN_TOKEN')
    expect((await logIn('alice')).status).toBe(403)
    expect((await world.call('POST', `${v3}/refresh`, { body: { refresh_token: other.refresh_token } })).status).toBe(
      401,
    )
    expect(
      (await world.call('POST', `${v3}/login`, { body: { type: 'm.login.token', token: login.login_token } })).status,
    ).toBe(403)
    await expect(getOpenIdUser(world.deps, openId.body.access_token)).rejects.toMatchObject({
      errcode: 'M_UNKNOWN_TOKEN',
    })
    const account = await world.database.read((conn) => findAccountByUserId(conn, userId))
    expect(account).toMatchObject({
      password_hash: null,
      pepper_id: null,
      admin: false,
      deactivated_ts: expect.any(Number),
    })
    expect(await world.database.read((conn) => listDevices(conn, account?.user_nid ?? 0))).toEqual([])
    expect((await world.call('GET', `${v3}/profile/${encodeURIComponent(userId)}`)).body.errcode).toBe('M_NOT_FOUND')
    expect([world.told.recorded, world.told.left]).toEqual([[userId], [userId]])
    for (const name of ['alice', 'ALICE', 'Alice']) {
      const again = await world.call('POST', `${v3}/register`, {
        body: { username: name, password: 'correct horse', auth: { type: 'm.login.dummy' } },
      })
      expect([again.status, again.body.errcode]).toEqual([400, 'M_USER_IN_USE'])
      await expect(createAccount(world.deps, { name, password: 'correct horse', admin: true })).rejects.toMatchObject({
        errcode: 'M_USER_IN_USE',
      })
    }
  })

  test('a deactivation that cannot be written down does not happen, one that fails is struck out', async () => {
    world = await startAccounts(engine)
    const { token } = await world.register('alice')
    const { departure } = world.deps as { departure: { recordDeactivation: unknown } }
    departure.recordDeactivation = async () => {
      throw new Error('disk full')
    }
    const ask = () => world.call('POST', `${v3}/account/deactivate`, { token, body: { auth: proof('alice') } })
    expect((await ask()).status).toBe(500)
    expect((await whoami(token)).status).toBe(200)
    let abandoned = 0
    departure.recordDeactivation = async () => ({
      inTransaction: async () => {
        throw new Error('no')
      },
      abandoned: async () => void abandoned++,
    })
    expect((await ask()).status).toBe(500)
    expect(abandoned).toBe(1)
    expect((await whoami(token)).status).toBe(200)
  })

  test('`erase: true` is handed to the erasure, and its receipt is shown once', async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    const answer = await world.call('POST', `${v3}/account/deactivate`, {
      token,
      body: { erase: true, auth: proof('alice') },
    })
    expect(answer.body).toEqual({ id_server_unbind_result: 'success', 'org.lethe.erasure_receipt': 'receipt' })
    expect([world.told.erased, world.told.recorded]).toEqual([[userId], []])
    expect((await world.call('POST', `${v3}/account/deactivate`, { token, body: { erase: 'yes' } })).body.errcode).toBe(
      'M_BAD_JSON',
    )
  })

  test('changing the password: other sessions end unless told, this one stays, the old password is dead', async () => {
    world = await startAccounts(engine)
    const { token } = await world.register('alice')
    const change = (body: object) => world.call('POST', `${v3}/account/password`, { token, body })
    const { body: other } = await logIn('alice')
    expect((await change({ new_password: 'short', auth: proof('alice') })).body.errcode).toBe('M_WEAK_PASSWORD')
    expect((await change({ new_password: 'second horse' })).status).toBe(401)
    expect((await change({ new_password: 'second horse', logout_devices: false, auth: proof('alice') })).status).toBe(
      200,
    )
    expect((await whoami(other.access_token)).status).toBe(200)
    expect((await logIn('alice')).status).toBe(403)
    expect((await change({ new_password: 'third horse', auth: proof('alice', 'second horse') })).status).toBe(200)
    expect((await whoami(other.access_token)).status).toBe(401)
    expect((await whoami(token)).status).toBe(200)
    expect((await logIn('alice', 'third horse')).status).toBe(200)
  })

  test("devices: list, rename, delete with proof; others' devices are none of ours", async () => {
    world = await startAccounts(engine)
    const { token, deviceId } = await world.register('alice')
    const bob = await world.register('bob')
    const { body: phone } = await logIn('alice')
    const at = (id: string) => `${v3}/devices/${id}`
    expect((await world.call('PUT', at(phone.device_id), { token, body: { display_name: 'Phone' } })).status).toBe(200)
    expect((await world.call('GET', at(phone.device_id), { token })).body.display_name).toBe('Phone')
    expect(
      (await world.call('PUT', at(phone.device_id), { token, body: { display_name: 'x'.repeat(1025) } })).status,
    ).toBe(400)
    expect((await world.call('PUT', at('NONE'), { token, body: {} })).status).toBe(404)
    expect((await world.call('GET', at(bob.deviceId), { token })).body.errcode).toBe('M_NOT_FOUND')
    const begun = await world.call('DELETE', at(phone.device_id), { token, body: {} })
    expect(begun.status).toBe(401)
    // a proof for one device is none for another
    const swapped = await world.call('DELETE', at(deviceId), {
      token,
      body: { auth: { ...proof('alice'), session: begun.body.session } },
    })
    expect(swapped.status).toBe(403)
    const gone = await world.call('DELETE', at(phone.device_id), {
      token,
      body: { auth: { ...proof('alice'), session: begun.body.session } },
    })
    expect(gone.status).toBe(200)
    expect((await whoami(phone.access_token)).status).toBe(401)
    const { body: tablet } = await logIn('alice')
    const bulk = await world.call('POST', `${v3}/delete_devices`, {
      token,
      body: { devices: [tablet.device_id, bob.deviceId], auth: proof('alice') },
    })
    expect(bulk.status).toBe(200)
    expect((await whoami(tablet.access_token)).status).toBe(401)
    expect((await whoami(bob.token)).status).toBe(200)
    expect((await world.call('POST', `${v3}/delete_devices`, { token, body: {} })).body.errcode).toBe('M_MISSING_PARAM')
  })

  test("an administrator locks and suspends accounts, not their own and no other administrator's", async () => {
    world = await startAccounts(engine, { admin: { users: ['@root:a.test'] } })
    const root = await world.register('root')
    const alice = await world.register('alice')
    const other = await createAccount(world.deps, { name: 'other', password: 'correct horse', admin: true })
    const at = (kind: string, user: string) => `/_matrix/client/v1/admin/${kind}/${encodeURIComponent(user)}`
    const put = (kind: string, user: string, body: object, token = root.token) =>
      world.call('PUT', at(kind, user), { token, body })
    expect((await put('lock', root.userId, { locked: true }, alice.token)).body.errcode).toBe('M_FORBIDDEN')
    expect((await put('lock', '@nobody:a.test', { locked: true }, alice.token)).body.errcode).toBe('M_FORBIDDEN')
    expect((await put('lock', alice.userId, { locked: true })).body).toEqual({ locked: true })
    expect((await world.call('GET', at('lock', alice.userId), { token: root.token })).body).toEqual({ locked: true })
    expect((await whoami(alice.token)).body.errcode).toBe('M_USER_LOCKED')
    expect((await put('lock', alice.userId, { locked: false })).status).toBe(200)
    expect((await whoami(alice.token)).status).toBe(200)
    expect((await put('suspend', alice.userId, { suspended: true })).body).toEqual({ suspended: true })
    expect((await put('lock', root.userId, { locked: true })).body.errcode).toBe('M_FORBIDDEN')
    expect((await put('suspend', other.userId, { suspended: true })).body.errcode).toBe('M_FORBIDDEN')
    expect((await put('suspend', '@x:b.test', { suspended: true })).body.errcode).toBe('M_INVALID_PARAM')
    expect((await put('suspend', '@nobody:a.test', { suspended: true })).body.errcode).toBe('M_NOT_FOUND')
    const { body } = await world.call('GET', `${v3}/capabilities`, { token: root.token })
    expect(body.capabilities['m.account_moderation']).toEqual({ lock: true, suspend: true })
    const audit = await world.database.read((conn) => listAudit(conn, alice.userId))
    expect(audit.map(({ actor, action }) => [actor, action])).toEqual([
      ['@root:a.test', 'locked'],
      ['@root:a.test', 'not locked'],
      ['@root:a.test', 'suspended'],
    ])
  })
})
