import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { endAccount } from '../../src/accounts/end-account.ts'
import type { UserId } from '../../src/protocol/ids.ts'
import { user as userLock } from '../../src/store/locks.ts'
import { countRowsOfSubject, deleteRowsOfSubject, scrubbedTables } from '../../src/store/scrub.ts'
import { findUserNid } from '../../src/store/users.ts'
import { startAccounts } from '../support/accounts.ts'
import type { AccountsWorld } from '../support/accounts.ts'
import { engines } from '../support/store.ts'

const client = '/_matrix/client/v3'
const password = 'correct horse'

interface Person {
  readonly name: string
  readonly token: string
  readonly userId: UserId
  readonly deviceId: string
}

/** A request that leaves something of the person, prepared before the account ends. */
type Prepare = (world: AccountsWorld, person: Person) => Promise<readonly [string, string, object, boolean?]>

const requests: Readonly<Record<string, Prepare>> = {
  'a display name': async (_, { userId }) => [
    'PUT',
    `${client}/profile/${userId}/displayname`,
    { displayname: 'Alice' },
  ],
  'a filter': async (_, { userId }) => ['POST', `${client}/user/${userId}/filter`, { event_fields: ['content.body'] }],
  'account data': async (_, { userId }) => ['PUT', `${client}/user/${userId}/account_data/x.y`, { a: 1 }],
  'an OpenID token': async (_, { userId }) => ['POST', `${client}/user/${userId}/openid/request_token`, {}],
  'a log-in by password': async (_, { name }) => [
    'POST',
    `${client}/login`,
    { type: 'm.login.password', identifier: { type: 'm.id.user', user: name }, password },
    false,
  ],
  'a log-in by token': async (world, { token, name }) => {
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: name }, password }
    const { body } = await world.call('POST', '/_matrix/client/v1/login/get_token', { token, body: { auth } })
    return ['POST', `${client}/login`, { type: 'm.login.token', token: body.login_token }, false]
  },
  'a refreshed session': async (world, { name }) => {
    const { body } = await world.call('POST', `${client}/login`, {
      body: {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: name },
        password,
        refresh_token: true,
      },
    })
    return ['POST', `${client}/refresh`, { refresh_token: body.refresh_token }, false]
  },
}

test.skipIf(!engines.includes('postgres')).each(Object.keys(requests))(
  'what is on its way in another process while an account ends leaves nothing: %s',
  async (what) => {
    await using world = await startAccounts('postgres')
    const other = await world.another()
    const person = { name: 'alice', ...(await world.register('alice')) }
    const [method, path, body, hasToken = true] = await (requests[what] as Prepare)(world, person)
    const { userId } = person
    const userNid = (await world.database.read((conn) => findUserNid(conn, userId))) as number
    const subject = { userNid, userId }
    let goOn = () => {}
    let isDeleted = () => {}
    const gate = new Promise<void>((resolve) => (goOn = resolve))
    const deleted = new Promise<void>((resolve) => (isDeleted = resolve))
    const ended = world.database.write(
      async (tx) => {
        await endAccount(tx, world.deps, { userNid, userId, reason: 'erased', ts: 1 })
        for (const table of scrubbedTables) await deleteRowsOfSubject(tx, table, subject, 1_000)
        isDeleted()
        await gate
      },
      { locks: [userLock(userNid)] },
    )
    await deleted
    const answer = other.call(method, path, { ...(hasToken ? { token: person.token } : {}), body })
    await Promise.race([answer, pause(1_000)])
    goOn()
    await ended
    expect((await answer).status).toBeGreaterThanOrEqual(400)
    expect(await world.database.read((conn) => countRowsOfSubject(conn, subject))).toEqual({})
  },
)
