import type { ErrCode } from '../protocol/errors.ts'
import { memberOf } from '../protocol/json.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { findAccount } from '../store/accounts.ts'
import { findRegistrationToken } from '../store/registration-tokens.ts'
import { checkPassword } from './check-password.ts'
import type { AccountsDeps, Attempts } from './deps.ts'
import { identifiedUser } from './identify.ts'
import { isUsableToken } from './registration-tokens.ts'

/** How an attempt at a stage went. */
export type StageOutcome =
  | { readonly ok: true; readonly token?: string }
  | { readonly ok: false; readonly errcode: ErrCode; readonly message: string }

type Deps = Pick<AccountsDeps, 'database' | 'clock' | 'passwords' | 'config' | 'serverName'>

/** Who has to prove something; undefined at registration. */
export interface Claimant {
  readonly userNid: number
  readonly userId: string
}

/** Tries a stage (client-server API, "Authentication types"). Throws what `attempts` throws. */
export async function tryStage(
  deps: Deps,
  auth: JsonObject,
  claimant: Claimant | undefined,
  attempts: Attempts,
): Promise<StageOutcome> {
  switch (memberOf(auth, 'type')) {
    case 'm.login.dummy':
      return { ok: true }
    case 'm.login.password':
      return claimant === undefined ? unknownStage : tryPassword(deps, auth, claimant, attempts)
    case 'm.login.registration_token':
      return tryRegistrationToken(deps, auth)
    default:
      return unknownStage
  }
}

const unknownStage: StageOutcome = { ok: false, errcode: 'M_UNRECOGNIZED', message: 'Unknown authentication type' }
const wrongPassword: StageOutcome = { ok: false, errcode: 'M_FORBIDDEN', message: 'Invalid username or password' }

async function tryPassword(
  deps: Deps,
  auth: JsonObject,
  claimant: Claimant,
  attempts: Attempts,
): Promise<StageOutcome> {
  const { userId, userNid } = claimant
  const password = memberOf(auth, 'password')
  if (typeof password !== 'string') return { ok: false, errcode: 'M_MISSING_PARAM', message: 'A password is needed' }
  // Clients that name nobody mean themselves.
  const named = identifiedUser(auth, deps.serverName) ?? userId
  if (named.toLowerCase() !== userId.toLowerCase()) return wrongPassword
  attempts.before(userId)
  const account = await deps.database.read((conn) => findAccount(conn, userNid))
  if ((await checkPassword(deps, account, password)) === undefined) return wrongPassword
  attempts.succeeded(userId)
  return { ok: true }
}

async function tryRegistrationToken(deps: Deps, auth: JsonObject): Promise<StageOutcome> {
  const token = memberOf(auth, 'token')
  if (typeof token !== 'string')
    return { ok: false, errcode: 'M_MISSING_PARAM', message: 'A registration token is needed' }
  const row = await deps.database.read((conn) => findRegistrationToken(conn, token))
  if (row === undefined || !isUsableToken(row, deps.clock.now()))
    return { ok: false, errcode: 'M_UNAUTHORIZED', message: 'Invalid registration token' }
  return { ok: true, token }
}
