import { createHmac } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { makeRegistrationToken } from '../../src/accounts/registration-tokens.ts'
import { findRegistrationToken } from '../../src/store/registration-tokens.ts'
import type { AccountsWorld } from '../support/accounts.ts'
import { startAccounts } from '../support/accounts.ts'
import { engines } from '../support/store.ts'

const v3 = '/_matrix/client/v3'
const dummy = { type: 'm.login.dummy' }
let world: AccountsWorld
afterEach(() => world?.[Symbol.asyncDispose]())

const register = (body: object, query = '') => world.call('POST', `${v3}/register${query}`, { body })

describe.each(engines)('%s', (engine) => {
  test('registration is closed unless it is opened', async () => {
    world = await startAccounts(engine, { registration: {} })
    expect((await register({})).body.errcode).toBe('M_FORBIDDEN')
    expect((await register({}, '?kind=guest')).body.errcode).toBe('M_FORBIDDEN')
    expect((await world.call('GET', `${v3}/register/available?username=x`)).status).toBe(403)
    const validity = await world.call('GET', '/_matrix/client/v1/register/m.login.registration_token/validity?token=x')
    expect(validity.status).toBe(403)
    expect((await world.call('GET', '/_synapse/admin/v1/register')).status).toBe(404)
  })

  test('a request without auth gets the flows and a session, and no error code', async () => {
    world = await startAccounts(engine)
    const { status, body } = await register({})
    expect(status).toBe(401)
    expect(body).toEqual({ flows: [{ stages: ['m.login.dummy'] }], params: {}, session: expect.any(String) })
    const done = await register({
      username: 'alice',
      password: 'correct horse',
      auth: { ...dummy, session: body.session },
    })
    expect(done.status).toBe(200)
    expect(done.body).toMatchObject({
      user_id: '@alice:a.test',
      access_token: expect.any(String),
      device_id: expect.any(String),
    })
    expect(
      (await register({ username: 'bob', password: 'correct horse', auth: { ...dummy, session: body.session } }))
        .status,
    ).toBe(401)
  })

  test('names: grammar, length, case, taken, reserved; checked before anything has to be proved', async () => {
    world = await startAccounts(engine)
    await world.register('alice')
    const code = async (username: string) => (await register({ username })).body.errcode
    expect(await code('alice')).toBe('M_USER_IN_USE')
    expect(await code('ALICE')).toBe('M_USER_IN_USE')
    expect(await code('_server')).toBe('M_USER_IN_USE')
    for (const name of ['', 'a b', 'ä', '\u212aelvin', 'a:b', '@a', 'a'.repeat(300), 'a\0b'])
      expect(await code(name)).toBe('M_INVALID_USERNAME')
    const upper = await register({ username: 'Bob.X', password: 'correct horse', auth: dummy })
    expect(upper.body.user_id).toBe('@bob.x:a.test')
    const available = (name: string) => world.call('GET', `${v3}/register/available?username=${name}`)
    expect((await available('carol')).body).toEqual({ available: true })
    expect((await available('alice')).body.errcode).toBe('M_USER_IN_USE')
  })

  test('two registrations of one name at once, in different case: one 200', async () => {
    world = await startAccounts(engine)
    const names = ['alice', 'Alice', 'ALICE', 'aLice', 'alice']
    const answers = await Promise.all(
      names.map((username) => register({ username, password: 'correct horse', auth: dummy })),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ body }) => body.errcode === 'M_USER_IN_USE')).toHaveLength(4)
  })

  test('weak, missing and huge passwords', async () => {
    world = await startAccounts(engine)
    expect((await register({ username: 'a', password: 'short', auth: dummy })).body.errcode).toBe('M_WEAK_PASSWORD')
    expect((await register({ username: 'a', password: '', auth: dummy })).body.errcode).toBe('M_WEAK_PASSWORD')
    expect((await register({ username: 'a', auth: dummy })).body.errcode).toBe('M_MISSING_PARAM')
    expect((await register({ username: 'a', password: 'x'.repeat(10_000), auth: dummy })).body.errcode).toBe(
      'M_INVALID_PARAM',
    )
    expect((await register({ username: 'a', password: 'x'.repeat(1_000_000), auth: dummy })).status).toBe(413)
    expect((await register({ username: 'a', password: 7, auth: dummy })).body.errcode).toBe('M_BAD_JSON')
  })

  test('inhibit_login makes an account without a session; without a name one is chosen', async () => {
    world = await startAccounts(engine)
    const quiet = await register({ username: 'alice', password: 'correct horse', inhibit_login: true, auth: dummy })
    expect(quiet.body).toEqual({ user_id: '@alice:a.test', home_server: 'a.test' })
    const unnamed = await register({ password: 'correct horse', device_id: 'D', refresh_token: true, auth: dummy })
    expect(unnamed.body).toMatchObject({
      user_id: expect.stringMatching(/^@[a-z0-9]{12}:a\.test$/),
      device_id: 'D',
      refresh_token: expect.any(String),
    })
  })

  test("guests: only when allowed, with a name and device of the server's choice", async () => {
    world = await startAccounts(engine)
    const { status, body } = await register(
      { username: 'alice', device_id: 'MINE', initial_device_display_name: 'x' },
      '?kind=guest',
    )
    expect(status).toBe(200)
    expect(body.user_id).not.toBe('@alice:a.test')
    expect(body.device_id).not.toBe('MINE')
    const token = body.access_token
    expect((await world.call('GET', `${v3}/account/whoami`, { token })).body.is_guest).toBe(true)
    expect((await world.call('GET', `${v3}/pushrules/`, { token })).body.errcode).toBe('M_GUEST_ACCESS_FORBIDDEN')
    const profile = `${v3}/profile/${encodeURIComponent(body.user_id)}`
    expect((await world.call('PUT', `${profile}/displayname`, { token, body: { displayname: 'G' } })).status).toBe(200)
    expect(
      (await world.call('PUT', `${profile}/avatar_url`, { token, body: { avatar_url: 'mxc://a.test/x' } })).status,
    ).toBe(403)
  })

  test('registration tokens: unknown, expired, used up, also by two at once', async () => {
    world = await startAccounts(engine, { registration: { enabled: true, flows: ['token'] } })
    const { deps, clock } = world
    const once = await makeRegistrationToken(deps, { usesAllowed: 1, expiresTs: null })
    const timed = await makeRegistrationToken(deps, { usesAllowed: null, expiresTs: clock.now() + 1000 }, 'timed')
    const valid = async (token: string) =>
      (await world.call('GET', `/_matrix/client/v1/register/m.login.registration_token/validity?token=${token}`)).body
        .valid
    expect([await valid(once), await valid(timed), await valid('nothing')]).toEqual([true, true, false])
    const use = (username: string, token: string) =>
      register({ username, password: 'correct horse', auth: { type: 'm.login.registration_token', token } })
    const wrong = await use('a', 'nothing')
    expect([wrong.status, wrong.body.errcode, wrong.body.flows]).toEqual([
      401,
      'M_UNAUTHORIZED',
      [{ stages: ['m.login.registration_token'] }],
    ])
    const both = await Promise.all([use('alice', once), use('bob', once)])
    expect(both.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(await valid(once)).toBe(false)
    expect(await world.database.read((conn) => findRegistrationToken(conn, once))).toMatchObject({ completed: 1 })
    expect((await register({ username: 'c', password: 'correct horse', auth: dummy })).status).toBe(401)
    clock.advance(1001)
    expect(await valid(timed)).toBe(false)
  })

  test('a token is not used up by a registration that fails', async () => {
    world = await startAccounts(engine, { registration: { enabled: true, flows: ['token'] } })
    const token = await makeRegistrationToken(world.deps, { usesAllowed: 2, expiresTs: null })
    const use = (username: string) =>
      register({ username, password: 'correct horse', auth: { type: 'm.login.registration_token', token } })
    const answers = await Promise.all([use('alice'), use('alice')])
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 400]))
    expect((await use('bob')).status).toBe(200)
  })

  test('several stages: in their order, bound to the name, resumed in another process', async () => {
    world = await startAccounts(engine, { registration: { enabled: true, flows: ['token', 'dummy'] } })
    const token = await makeRegistrationToken(world.deps, { usesAllowed: null, expiresTs: null })
    const begun = await register({
      username: 'alice',
      password: 'correct horse',
      auth: { type: 'm.login.registration_token', token },
    })
    expect([begun.status, begun.body.completed, begun.body.errcode]).toEqual([
      401,
      ['m.login.registration_token'],
      undefined,
    ])
    const { session } = begun.body
    const finish = (username: string, auth: object) => register({ username, password: 'correct horse', auth })
    expect((await finish('alice', dummy)).body.errcode).toBe('M_UNRECOGNIZED')
    expect((await finish('mallory', { ...dummy, session })).body.errcode).toBe('M_FORBIDDEN')
    expect((await finish('alice', { ...dummy, session })).status).toBe(200)
  })

  test('a session is forgotten after an hour', async () => {
    world = await startAccounts(engine)
    const { body } = await register({})
    world.clock.advance(3_600_001)
    const late = await register({
      username: 'alice',
      password: 'correct horse',
      auth: { ...dummy, session: body.session },
    })
    expect([late.status, late.body.session === body.session]).toEqual([401, false])
  })

  test('shared secret: nonce and mac, once', async () => {
    world = await startAccounts(engine)
    const path = '/_synapse/admin/v1/register'
    const mac = (nonce: string, user: string, admin: boolean) =>
      createHmac('sha1', 'sesame')
        .update(`${nonce}\0${user}\0correct horse\0${admin ? 'admin' : 'notadmin'}`)
        .digest('hex')
    const nonce = async (): Promise<string> => (await world.call('GET', path)).body.nonce
    const send = (body: object) => world.call('POST', path, { body: { password: 'correct horse', ...body } })
    const first = await nonce()
    const made = await send({ nonce: first, username: 'root', admin: true, mac: mac(first, 'root', true) })
    expect(made.body).toMatchObject({ user_id: '@root:a.test', access_token: expect.any(String) })
    expect((await send({ nonce: first, username: 'two', mac: mac(first, 'two', false) })).body.error).toBe(
      'Unrecognised nonce',
    )
    const second = await nonce()
    expect((await send({ nonce: second, username: 'two', admin: true, mac: mac(second, 'two', false) })).status).toBe(
      403,
    )
    const third = await nonce()
    world.clock.advance(60_001)
    expect((await send({ nonce: third, username: 'two', mac: mac(third, 'two', false) })).status).toBe(400)
    // a nonce of this is no session of anything else
    const fourth = await nonce()
    expect(
      (await register({ username: 'x', password: 'correct horse', auth: { ...dummy, session: fourth } })).status,
    ).toBe(403)
  })
})
