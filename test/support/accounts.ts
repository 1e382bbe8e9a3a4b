import { endpoints as account } from '../../src/http/client/account.ts'
import { endpoints as accountData } from '../../src/http/client/account-data.ts'
import { endpoints as capabilities } from '../../src/http/client/capabilities.ts'
import { endpoints as devices } from '../../src/http/client/devices.ts'
import { endpoints as filter } from '../../src/http/client/filter.ts'
import { endpoints as integrations } from '../../src/http/client/integrations.ts'
import { endpoints as login } from '../../src/http/client/login.ts'
import { endpoints as logout } from '../../src/http/client/logout.ts'
import { endpoints as moderation } from '../../src/http/client/moderation.ts'
import { endpoints as openid } from '../../src/http/client/openid.ts'
import { endpoints as password } from '../../src/http/client/password.ts'
import { endpoints as profile } from '../../src/http/client/profile.ts'
import { endpoints as pushRules } from '../../src/http/client/push-rules.ts'
import { endpoints as register } from '../../src/http/client/register.ts'
import { endpoints as tags } from '../../src/http/client/tags.ts'
import { endpoints as versions } from '../../src/http/client/versions.ts'
import { endpoints as synapseRegister } from '../../src/http/synapse-admin/register.ts'
import { LastSeen } from '../../src/accounts/last-seen.ts'
import { openPasswords } from '../../src/accounts/open-passwords.ts'
import { Sessions } from '../../src/accounts/sessions.ts'
import { makeConfig } from '../../src/cli/config/make.ts'
import type { Deps } from '../../src/http/deps.ts'
import { mount } from '../../src/http/mount.ts'
import { RateLimits } from '../../src/http/rate-limit.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import type { Database, Tx } from '../../src/store/database.ts'
import type { Engine } from '../../src/store/statement.ts'
import { AddressSet } from '../../src/util/address.ts'
import { silentLog } from '../../src/util/log.ts'
import { systemRandom } from '../../src/util/system-ports.ts'
import { FakeClock } from './clock.ts'
import { makePlace, usualEngine } from './store.ts'
import type { Reply } from './reply.ts'

/** An answer: its status, and its body as whatever the test expects. */
export interface Answer {
  readonly status: number
  readonly body: Reply
  readonly headers: Headers
}

/** What other parts of the server were told. */
export interface Told {
  readonly edus: { hosts: readonly number[]; type: string; content: unknown }[]
  readonly announced: unknown[]
  readonly left: UserId[]
  readonly recorded: UserId[]
  readonly erased: UserId[]
  readonly profiles: UserId[]
}

/** The account endpoints over a real database, with the parts around them standing in. */
export interface AccountsWorld extends AsyncDisposable {
  readonly deps: Deps
  readonly clock: FakeClock
  readonly told: Told
  readonly database: Database
  call(
    method: string,
    path: string,
    options?: { token?: string; body?: unknown; headers?: Record<string, string> },
  ): Promise<Answer>
  /** Registers by the dummy flow. */
  register(name: string, password?: string): Promise<{ token: string; userId: UserId; deviceId: string }>
  /** Another view of the same database, as another process has it. */
  another(): Promise<AccountsWorld>
}

const openConfig = {
  server_name: 'a.test',
  public_base_url: 'https://a.test',
  registration: { enabled: true, flows: ['dummy'], guests: true, shared_secret: 'sesame' },
  passwords: { bcrypt_cost: 4, allow_weak_hash: true },
  rate_limits: { enabled: false },
}

const endpoints = [
  [account, accountData, capabilities, devices, filter, integrations, login, logout, moderation, openid, password],
  [profile, pushRules, register, tags, versions, synapseRegister],
].flat(2)

/** Starts one on an empty database. */
export async function startAccounts(
  engine: Engine = usualEngine,
  changes: Record<string, unknown> = {},
): Promise<AccountsWorld> {
  const place = await makePlace(engine)
  const clock = new FakeClock()
  const config = makeConfig({ ...openConfig, passwords: { ...openConfig.passwords, pepper: 'pepper' }, ...changes })
  const open = async (): Promise<AccountsWorld> => {
    const database = await place.open()
    const told: Told = { edus: [], announced: [], left: [], recorded: [], erased: [], profiles: [] }
    const deps = {
      database,
      clock,
      random: systemRandom,
      log: silentLog,
      config,
      serverName: 'a.test',
      passwords: await openPasswords(config, { random: systemRandom, database }),
      sessions: new Sessions(),
      lastSeen: new LastSeen({ database, clock, log: silentLog, config }),
      rateLimits: new RateLimits(config.rateLimits, clock),
      trustedProxies: new AddressSet([]),
      stopping: new AbortController().signal,
      operatorToken: 'operator',
      changes: { announce: (change: unknown) => told.announced.push(change) },
      outbound: {
        queueEdu: async (_: Tx, hosts: readonly number[], type: string, __: number, content: unknown) =>
          void told.edus.push({ hosts, type, content }),
      },
      federation: {
        queryProfile: async (_: string, userId: string) => ({
          displayname: `remote ${userId}`,
          avatar_url: 'http://evil.test/x',
        }),
      },
      profileChanged: async ({ userId }: { userId: UserId }) => void told.profiles.push(userId),
      departure: {
        recordDeactivation: async ({ userId }: { userId: UserId }) => {
          told.recorded.push(userId)
          return { inTransaction: async () => {}, abandoned: async () => {} }
        },
        leaveAllRooms: async ({ userId }: { userId: UserId }) => void told.left.push(userId),
        erase: async ({ userId }: { userId: UserId }) => (told.erased.push(userId), { receipt: 'receipt' }),
      },
    } as unknown as Deps
    const app = mount(deps, endpoints)
    const call: AccountsWorld['call'] = async (method, path, { token, body, headers = {} } = {}) => {
      const request = new Request(`http://a.test${path}`, {
        method,
        headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const answer = await app.fetch(request, { address: '192.0.2.77' })
      return { status: answer.status, body: (await answer.json()) as Reply, headers: answer.headers }
    }
    const register: AccountsWorld['register'] = async (name, secret = 'correct horse') => {
      const { status, body } = await call('POST', '/_matrix/client/v3/register', {
        body: { username: name, password: secret, auth: { type: 'm.login.dummy' } },
      })
      if (status !== 200) throw new Error(`registering ${name}: ${status} ${JSON.stringify(body)}`)
      return { token: body.access_token, userId: body.user_id, deviceId: body.device_id }
    }
    return {
      deps,
      clock,
      told,
      database,
      call,
      register,
      another: open,
      [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
    }
  }
  return open()
}
