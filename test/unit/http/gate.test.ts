import { describe, expect, test } from 'vitest'
import { hashToken } from '../../../src/accounts/tokens.ts'
import { endpoint } from '../../../src/http/endpoint.ts'
import { caller, httpDeps } from '../../support/http-deps.ts'

const rows: Record<string, object> = {}
const row = (token: string, more: object) => {
  rows[hashToken(token)] = {
    user_id: `@${token}:lethe.test`,
    user_nid: 1,
    device_id: 'D',
    kind: 'user',
    admin: false,
    suspended: false,
    locked: false,
    deactivated_ts: null,
    erased_ts: null,
    expires_ts: null,
    used: true,
    refresh_hash: null,
    ...more,
  }
}
row('alice', {})
row('guest', { kind: 'guest' })
row('locked', { locked: true })
row('suspended', { suspended: true })
row('boss', { admin: true })
row('named', {})
row('bridge', { kind: 'appservice' })
row('old', { expires_ts: 1 })

const world = (values: Record<string, unknown> = {}) =>
  httpDeps(
    { rate_limits: { enabled: false }, ...values },
    {
      sessions: { find: async (_: unknown, hash: string) => rows[hash] },
      lastSeen: { note: () => undefined },
    },
  )
const at = (name: string, more: object) =>
  endpoint({
    method: 'GET',
    path: `/_matrix/client/v1/${name}`,
    limit: 'read',
    auth: 'user',
    handle: ({ requester }: { requester: unknown }) => ({ requester: requester ?? null }),
    ...more,
  } as never)
const endpoints = [
  at('user', {}),
  at('optional', { auth: 'optional' }),
  at('guests', { guests: true }),
  at('locked', { locked: true }),
  at('busy', { suspended: false }),
  at('admin', { auth: 'admin' }),
  at('appservice', { auth: 'appservice' }),
  at('server', { auth: 'server' }),
]
const call = caller(world(), endpoints)
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const outcome = async (path: string, token?: string) => {
  const { status, json } = await call('GET', `/_matrix/client/v1/${path}`, token === undefined ? {} : bearer(token))
  return status === 200 ? 200 : `${status} ${json.errcode}`
}

describe('access tokens', () => {
  test.each([
    ['user', undefined, '401 M_MISSING_TOKEN'],
    ['user', 'nobody', '401 M_UNKNOWN_TOKEN'],
    ['user', 'alice', 200],
    ['optional', undefined, 200],
    ['optional', 'nobody', '401 M_UNKNOWN_TOKEN'],
    ['user', 'guest', '403 M_GUEST_ACCESS_FORBIDDEN'],
    ['guests', 'guest', 200],
    ['user', 'locked', '401 M_USER_LOCKED'],
    ['locked', 'locked', 200],
    ['user', 'suspended', 200],
    ['busy', 'suspended', '403 M_USER_SUSPENDED'],
    ['admin', 'alice', '403 M_FORBIDDEN'],
    ['admin', 'boss', 200],
    ['admin', 'operator token', '401 M_MISSING_TOKEN'],
    ['appservice', 'alice', '403 M_FORBIDDEN'],
    ['appservice', 'bridge', 200],
    ['server', 'alice', '401 M_UNAUTHORIZED'],
  ])('%s with the token of %s: %s', async (path, token, expected) => {
    expect(await outcome(path, token)).toBe(expected)
  })

  test('an expired token is a soft logout, an unknown one is not', async () => {
    expect((await call('GET', '/_matrix/client/v1/user', bearer('old'))).json).toMatchObject({
      errcode: 'M_UNKNOWN_TOKEN',
      soft_logout: true,
    })
    expect((await call('GET', '/_matrix/client/v1/user', bearer('nobody'))).json.soft_logout).toBe(false)
  })

  test('an empty bearer is no token, even where the query has one', async () => {
    const answer = await call('GET', '/_matrix/client/v1/user?access_token=alice', {
      headers: { authorization: 'Bearer ' },
    })
    expect(answer.json.errcode).toBe('M_MISSING_TOKEN')
  })

  test('a token in the query counts unless that is switched off', async () => {
    expect((await call('GET', '/_matrix/client/v1/user?access_token=alice')).status).toBe(200)
    const closed = caller(world({ compatibility: { access_token_in_query: false } }), endpoints)
    expect((await closed('GET', '/_matrix/client/v1/user?access_token=alice')).status).toBe(401)
  })

  test('the operator token and users named in the configuration are administrators', async () => {
    const named = caller(
      httpDeps(
        { admin: { users: ['@named:lethe.test'] } },
        {
          sessions: { find: async (_: unknown, hash: string) => rows[hash] },
          lastSeen: { note: () => undefined },
          operatorToken: 'secret-of-this-process',
        },
      ),
      endpoints,
    )
    expect((await named('GET', '/_matrix/client/v1/admin', bearer('secret-of-this-process'))).json.requester).toEqual({
      actor: 'operator',
    })
    expect((await named('GET', '/_matrix/client/v1/admin', bearer('named'))).json.requester.actor).toBe(
      '@named:lethe.test',
    )
  })
})

describe('rate limits', () => {
  const limited = { rate_limits: { read: { burst: 2, per_second: 1 } } }
  const sessions = {
    sessions: { find: async (_: unknown, hash: string) => rows[hash] },
    lastSeen: { note: () => undefined },
  }

  test('a burst, then 429 with the time to wait, per user', async () => {
    const deps = httpDeps(limited, sessions)
    const run = caller(deps, endpoints)
    const statuses = async (token: string) => (await run('GET', '/_matrix/client/v1/user', bearer(token))).status
    expect([await statuses('alice'), await statuses('alice'), await statuses('alice'), await statuses('boss')]).toEqual(
      [200, 200, 429, 200],
    )
    const refused = await run('GET', '/_matrix/client/v1/user', bearer('alice'))
    expect([refused.json.errcode, refused.json.retry_after_ms, refused.headers.get('retry-after')]).toEqual([
      'M_LIMIT_EXCEEDED',
      1000,
      '1',
    ])
    deps.clock.advance(1000)
    expect(await statuses('alice')).toBe(200)
  })

  test('requests of servers that nobody has proved yet share a bucket per address, whatever server they name', async () => {
    const asked: string[] = []
    const keyRing = {
      verifyRequest: async ({ origin }: { origin: string }) => {
        asked.push(origin)
        return 'the key is not known'
      },
    }
    const run = caller(httpDeps({ rate_limits: { federation: { burst: 3, per_second: 1 } } }, { keyRing }), [
      at('server', { auth: 'server', limit: 'federation' }),
    ])
    const statuses: number[] = []
    for (let i = 0; i < 5; i++) {
      const authorization = `X-Matrix origin="s${i}.test",destination="lethe.test",key="ed25519:a",sig="AAAA"`
      statuses.push((await run('GET', '/_matrix/client/v1/server', { headers: { authorization } })).status)
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429])
    expect(asked).toEqual(['s0.test', 's1.test', 's2.test'])
  })

  test('application services have no limit', async () => {
    const run = caller(httpDeps(limited, sessions), endpoints)
    for (let i = 0; i < 10; i++)
      expect((await run('GET', '/_matrix/client/v1/user', bearer('bridge'))).status).toBe(200)
  })

  test('five failed log-ins at once, then one in ten seconds, per account and per address; successes do not count', () => {
    const { rateLimits, clock } = httpDeps()
    const tries = (account: string, address: string) => {
      try {
        rateLimits.beforeLogin(account, address)
        return true
      } catch {
        return false
      }
    }
    for (let i = 0; i < 20; i++) {
      expect(tries('good', '192.0.2.1')).toBe(true)
      rateLimits.loginSucceeded('good', '192.0.2.1')
    }
    expect(Array.from({ length: 6 }, (_, i) => tries('victim', `198.51.100.${i}`))).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
    ])
    expect(Array.from({ length: 6 }, (_, i) => tries(`user${i}`, '203.0.113.9'))).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
    ])
    expect(tries('VICTIM', '198.51.100.77')).toBe(false)
    clock.advance(10_000)
    expect([tries('victim', '198.51.100.78'), tries('victim', '198.51.100.79')]).toEqual([true, false])
  })
})
