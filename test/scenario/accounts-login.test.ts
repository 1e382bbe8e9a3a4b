import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { openPasswords } from '../../src/accounts/open-passwords.ts'
import { setFlag } from '../../src/accounts/moderation.ts'
import { sweepAccounts } from '../../src/accounts/sweep.ts'
import type { AccountsWorld } from '../support/accounts.ts'
import { startAccounts } from '../support/accounts.ts'
import { engines } from '../support/store.ts'

const v3 = '/_matrix/client/v3'
let world: AccountsWorld
afterEach(() => world?.[Symbol.asyncDispose]())

const logIn = (more: object) => world.call('POST', `${v3}/login`, { body: { type: 'm.login.password', ...more } })
const asUser = (user: string, password = 'correct horse') => ({ identifier: { type: 'm.id.user', user }, password })
const whoami = (token: string) => world.call('GET', `${v3}/account/whoami`, { token })

describe.each(engines)('%s', (engine) => {
  test('log-in by localpart, by user id, in any case, and by the older `user`', async () => {
    world = await startAccounts(engine)
    const { userId } = await world.register('alice')
    for (const body of [
      asUser('alice'),
      asUser(userId),
      asUser('Alice'),
      { user: 'alice', password: 'correct horse' },
    ]) {
      const answer = await logIn(body)
      expect(answer.status).toBe(200)
      expect(answer.body).toMatchObject({ user_id: '@alice:a.test', home_server: 'a.test' })
      expect((await whoami(answer.body.access_token)).body).toEqual({
        user_id: '@alice:a.test',
        device_id: answer.body.device_id,
        is_guest: false,
      })
    }
  })

  test('one answer for a wrong password, an unknown user, another server, a deactivated user', async () => {
    world = await startAccounts(engine)
    await world.register('alice')
    const { token } = await world.register('gone')
    await world.call('POST', `${v3}/account/deactivate`, {
      token,
      body: { auth: { type: 'm.login.password', ...asUser('gone') } },
    })
    const answers = []
    for (const body of [
      asUser('alice', 'wrong'),
      asUser('nobody'),
      asUser('@alice:b.test'),
      asUser('gone'),
      asUser('alice', ''),
    ])
      answers.push(await logIn(body))
    for (const { status, body } of answers)
      expect([status, body]).toEqual([403, { errcode: 'M_FORBIDDEN', error: 'Invalid username or password' }])
  })

  test('third-party identifiers are unknown: 403; other types 400', async () => {
    world = await startAccounts(engine)
    const mail = { type: 'm.id.thirdparty', medium: 'email', address: 'a@b.c' }
    expect((await logIn({ identifier: mail, password: 'x' })).status).toBe(403)
    expect((await logIn({ identifier: { type: 'm.id.phone', country: 'GB', phone: '1' }, password: 'x' })).status).toBe(
      403,
    )
    expect((await logIn({ medium: 'email', address: 'a@b.c', password: 'x' })).status).toBe(403)
    expect((await world.call('POST', `${v3}/login`, { body: { type: 'm.login.magic' } })).body.errcode).toBe(
      'M_UNKNOWN',
    )
    expect((await logIn({})).body.errcode).toBe('M_MISSING_PARAM')
  })

  test('a device that logs in again keeps its name, and its older token ends', async () => {
    world = await startAccounts(engine)
    await world.register('alice')
    const first = await logIn({ ...asUser('alice'), device_id: 'PHONE', initial_device_display_name: 'My phone' })
    const second = await logIn({ ...asUser('alice'), device_id: 'PHONE', initial_device_display_name: 'Other' })
    expect(second.body.device_id).toBe('PHONE')
    expect((await whoami(first.body.access_token)).body).toMatchObject({
      errcode: 'M_UNKNOWN_TOKEN',
      soft_logout: false,
    })
    const device = await world.call('GET', `${v3}/devices/PHONE`, { token: second.body.access_token })
    expect(device.body.display_name).toBe('My phone')
  })

  test('tokens: none, empty, wrong, and no secret in the database', async () => {
    world = await startAccounts(engine)
    const { token } = await world.register('alice')
    expect((await world.call('GET', `${v3}/account/whoami`)).body.errcode).toBe('M_MISSING_TOKEN')
    expect((await world.call('GET', `${v3}/account/whoami`, { headers: { authorization: 'Bearer ' } })).status).toBe(
      401,
    )
    expect((await whoami('nonsense')).body.errcode).toBe('M_UNKNOWN_TOKEN')
    expect(token.length).toBeGreaterThanOrEqual(43)
  })

  test('logging out ends token and device; everywhere ends all', async () => {
    world = await startAccounts(engine)
    const { token } = await world.register('alice')
    const [one, two] = [await logIn(asUser('alice')), await logIn(asUser('alice'))]
    expect((await world.call('POST', `${v3}/logout`, { token: one.body.access_token })).status).toBe(200)
    expect((await whoami(one.body.access_token)).status).toBe(401)
    const { body } = await world.call('GET', `${v3}/devices`, { token })
    expect(body.devices.map((device: { device_id: string }) => device.device_id)).not.toContain(one.body.device_id)
    await world.call('POST', `${v3}/logout/all`, { token })
    for (const each of [token, two.body.access_token]) expect((await whoami(each)).status).toBe(401)
  })

  test('a refresh token: rotates, a lost reply can be asked for again, reuse ends the session', async () => {
    world = await startAccounts(engine)
    await world.register('alice')
    const refresh = (token: string) => world.call('POST', `${v3}/refresh`, { body: { refresh_token: token } })
    const { body: begun } = await logIn({ ...asUser('alice'), refresh_token: true })
    expect(begun.expires_in_ms).toBe(3_600_000)
    const lost = await refresh(begun.refresh_token)
    const again = await refresh(begun.refresh_token)
    expect([lost.status, again.status]).toEqual([200, 200])
    // the reply that was lost is taken back
    expect((await whoami(lost.body.access_token)).status).toBe(401)
    expect((await whoami(again.body.access_token)).status).toBe(200)
    // its use confirms it: the old access token and refresh token work no more
    expect((await whoami(begun.access_token)).status).toBe(401)
    const third = await refresh(again.body.refresh_token)
    expect(third.status).toBe(200)
    expect((await whoami(third.body.access_token)).status).toBe(200)
    const stolen = await refresh(begun.refresh_token)
    expect([stolen.status, stolen.body.errcode]).toEqual([401, 'M_UNKNOWN_TOKEN'])
    expect((await whoami(third.body.access_token)).status).toBe(401)
    expect((await refresh(third.body.refresh_token)).status).toBe(401)
  })

  test('using the new refresh token also retires the old one', async () => {
    world = await startAccounts(engine)
    await world.register('alice')
    const refresh = (token: string) => world.call('POST', `${v3}/refresh`, { body: { refresh_token: token } })
    const { body: begun } = await logIn({ ...asUser('alice'), refresh_token: true })
    const second = await refresh(begun.refresh_token)
    const third = await refresh(second.body.refresh_token)
    expect(third.status).toBe(200)
    expect((await refresh(begun.refresh_token)).status).toBe(401)
    expect((await whoami(third.body.access_token)).status).toBe(401)
  })

  test('an expired access token is a soft logout; without refresh tokens nothing expires', async () => {
    world = await startAccounts(engine)
    const { token } = await world.register('alice')
    const { body } = await logIn({ ...asUser('alice'), refresh_token: true })
    world.clock.advance(3_600_001)
    expect((await whoami(body.access_token)).body).toMatchObject({ errcode: 'M_UNKNOWN_TOKEN', soft_logout: true })
    expect((await whoami(token)).status).toBe(200)
    expect((await world.call('POST', `${v3}/refresh`, { body: { refresh_token: body.refresh_token } })).status).toBe(
      200,
    )
  })

  test('a locked account: 401 M_USER_LOCKED everywhere but at logout; its tokens work again afterwards', async () => {
    world = await startAccounts(engine)
    const { token, userId } = await world.register('alice')
    const { body: other } = await logIn({ ...asUser('alice'), refresh_token: true })
    expect((await whoami(token)).status).toBe(200)
    await setFlag(world.deps, { actor: 'operator' }, userId, 'locked', true)
    expect((await whoami(token)).body).toMatchObject({ errcode: 'M_USER_LOCKED', soft_logout: true })
    expect((await logIn(asUser('alice'))).body.errcode).toBe('M_USER_LOCKED')
    expect((await logIn(asUser('alice', 'wrong'))).body.errcode).toBe('M_FORBIDDEN')
    expect(
      (await world.call('POST', `${v3}/refresh`, { body: { refresh_token: other.refresh_token } })).body.errcode,
    ).toBe('M_USER_LOCKED')
    expect((await world.call('POST', `${v3}/logout`, { token: other.access_token })).status).toBe(200)
    await setFlag(world.deps, { actor: 'operator' }, userId, 'locked', false)
    expect((await whoami(token)).status).toBe(200)
  })

  test('a login token works once, for two minutes, and proves who asked', async () => {
    world = await startAccounts(engine)
    const { token } = await world.register('alice')
    const path = '/_matrix/client/v1/login/get_token'
    expect((await world.call('POST', path, { token, body: {} })).status).toBe(401)
    const make = async () =>
      (await world.call('POST', path, { token, body: { auth: { type: 'm.login.password', ...asUser('alice') } } })).body
    const use = (login: string) => world.call('POST', `${v3}/login`, { body: { type: 'm.login.token', token: login } })
    const made = await make()
    expect(made.expires_in_ms).toBe(120_000)
    const [one, two] = await Promise.all([use(made.login_token), use(made.login_token)])
    expect(new Set([one.status, two.status])).toEqual(new Set([200, 403]))
    const late = await make()
    world.clock.advance(120_001)
    expect((await use(late.login_token)).body.errcode).toBe('M_FORBIDDEN')
  })

  test('log-in failures: five, then a wait, for the account and for the address', async () => {
    world = await startAccounts(engine, { rate_limits: { enabled: true } })
    await world.register('alice')
    for (let i = 0; i < 5; i++) expect((await logIn(asUser('alice', 'wrong'))).status).toBe(403)
    const refused = await logIn(asUser('alice'))
    expect(refused.status).toBe(429)
    expect(refused.body.retry_after_ms).toBeGreaterThan(0)
    world.clock.advance(60_000)
    for (let i = 0; i < 4; i++) expect((await logIn(asUser('alice'))).status).toBe(200)
  })

  test('P13, P23: last seen is shown as it is stored: masked, at most once a minute, gone after its time', async () => {
    world = await startAccounts(engine)
    const { token, deviceId } = await world.register('alice')
    const seen = async () => {
      await world.deps.lastSeen.flush()
      return (await world.call('GET', `${v3}/devices/${deviceId}`, { token })).body
    }
    await world.call('GET', `${v3}/account/whoami`, { token, headers: { 'user-agent': 'Test/1' } })
    const first = await seen()
    expect(first.last_seen_ip).toBe('192.0.0.0')
    expect(first['org.matrix.msc3852.last_seen_user_agent']).toBe('Test/1')
    world.clock.advance(30_000)
    await whoami(token)
    expect((await seen()).last_seen_ts).toBe(first.last_seen_ts)
    world.clock.advance(31_000)
    await whoami(token)
    expect((await seen()).last_seen_ts).toBe(first.last_seen_ts + 61_000)
    world.clock.advance(29 * 86_400_000)
    await sweepAccounts(world.deps)
    await world.deps.lastSeen.flush()
    const { body } = await world.call('GET', `${v3}/devices`, { token })
    expect(body.devices).toHaveLength(1)
    expect(body.devices[0]?.last_seen_ip).toBeUndefined()
  })

  test('Do-Not-Track: neither address nor user agent is kept', async () => {
    world = await startAccounts(engine)
    const { token, deviceId } = await world.register('alice')
    await world.call('GET', `${v3}/account/whoami`, { token, headers: { 'user-agent': 'Test/1', dnt: '1' } })
    await world.deps.lastSeen.flush()
    const { body } = await world.call('GET', `${v3}/devices/${deviceId}`, { token })
    expect(body).toEqual({ device_id: deviceId, last_seen_ts: expect.any(Number) })
  })
})

test('a server without the pepper of its passwords does not start', async () => {
  world = await startAccounts('sqlite')
  const { deps, database } = world
  const folder = mkdtempSync(join(tmpdir(), 'lethe-pepper-'))
  const lost = { passwords: { ...deps.config.passwords, pepper: null, pepperFile: join(folder, 'pepper') } }
  expect((await openPasswords(lost, { random: deps.random, database })).pepperIds).toHaveLength(1)
  await world.register('alice')
  await expect(openPasswords(lost, { random: deps.random, database })).rejects.toThrow('need a pepper')
  rmSync(folder, { recursive: true })
})

test.runIf(engines.includes('postgres'))('a logout on one process ends the session on another at once', async () => {
  world = await startAccounts('postgres')
  const { token } = await world.register('alice')
  const other = await world.another()
  expect((await other.call('GET', `${v3}/account/whoami`, { token })).status).toBe(200)
  await world.call('POST', `${v3}/logout`, { token })
  expect((await other.call('GET', `${v3}/account/whoami`, { token })).status).toBe(401)
})
