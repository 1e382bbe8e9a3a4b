import { MatrixError } from '../protocol/errors.ts'
import type { UserId } from '../protocol/ids.ts'
import { findAccount } from '../store/accounts.ts'
import { findShortToken, insertShortToken } from '../store/short-tokens.ts'
import { writeAsUser } from './active.ts'
import type { AccountsDeps } from './deps.ts'
import type { Requester } from './requester.ts'
import { hashToken, makeToken } from './tokens.ts'

/** How long a log-in token lives (`POST /login/get_token` recommends two minutes). */
export const loginTokenLifetimeMs = 120_000
/** How long an OpenID token lives. */
export const openIdTokenLifetimeMs = 3_600_000

type Deps = Pick<AccountsDeps, 'database' | 'clock' | 'random'>

/** A token with which another device can log in, once, as this user. */
export async function makeLoginToken(deps: Deps, requester: Requester): Promise<string> {
  return make(deps, requester, 'login', loginTokenLifetimeMs)
}

/** A token that tells another service who the user is (client-server API, "OpenID"). */
export async function makeOpenIdToken(deps: Deps, requester: Requester): Promise<string> {
  return make(deps, requester, 'openid', openIdTokenLifetimeMs)
}

/** Whose OpenID token this is (`GET /_matrix/federation/v1/openid/userinfo`). Throws `M_UNKNOWN_TOKEN`. */
export async function getOpenIdUser(deps: Pick<Deps, 'database' | 'clock'>, token: string): Promise<UserId> {
  const now = deps.clock.now()
  const account = await deps.database.read(async (conn) => {
    const userNid = await findShortToken(conn, 'openid', hashToken(token), now)
    return userNid === undefined ? undefined : findAccount(conn, userNid)
  })
  if (account === undefined || account.deactivated_ts !== null || account.locked)
    throw new MatrixError('M_UNKNOWN_TOKEN', 'Access token unknown or expired')
  return account.user_id
}

async function make(deps: Deps, requester: Requester, kind: 'login' | 'openid', lifetimeMs: number): Promise<string> {
  const token = makeToken(deps.random, kind)
  const expiresTs = deps.clock.now() + lifetimeMs
  const { userNid } = requester
  await writeAsUser(deps, userNid, (tx) => insertShortToken(tx, { hash: hashToken(token), kind, userNid, expiresTs }))
  return token
}
