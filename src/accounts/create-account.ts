import { MatrixError } from '../protocol/errors.ts'
import { localpartOf } from '../protocol/ids.ts'
import type { UserId } from '../protocol/ids.ts'
import { insertAccount } from '../store/accounts.ts'
import type { AccountKind } from '../store/accounts.ts'
import type { Tx } from '../store/database.ts'
import { putRegistrationTokenUse } from '../store/registration-tokens.ts'
import { putUser } from '../store/users.ts'
import type { AccountsDeps } from './deps.ts'
import { putSession } from './issue.ts'
import type { SessionPlan } from './issue.ts'
import { assertNameFree, userIdOfName } from './names.ts'
import { makeLocalpart } from './tokens.ts'

/** An account to be made. */
export interface AccountWish {
  /** chosen at random where it is undefined */
  readonly name?: string | undefined
  /** undefined: cannot log in by password */
  readonly password?: string | undefined
  readonly kind?: AccountKind
  readonly admin?: boolean
  /** used up by it */
  readonly registrationToken?: string | undefined
  /** a session to begin at once */
  readonly session?: SessionPlan | undefined
}

/** An account that was made. */
export interface Created {
  readonly userId: UserId
  readonly userNid: number
}

type Deps = Pick<
  AccountsDeps,
  'database' | 'clock' | 'random' | 'config' | 'serverName' | 'passwords' | 'sessions' | 'isExclusiveName'
>

/**
 * Makes an account: by registration, shared secret or command line. Of two at once with one name, one succeeds.
 * Throws `M_INVALID_USERNAME`, `M_EXCLUSIVE`, `M_USER_IN_USE` (also for names of accounts that have ended, P5),
 * `M_WEAK_PASSWORD`, `M_INVALID_PARAM`, and `M_FORBIDDEN` where the registration token was used up meanwhile.
 */
export async function createAccount(deps: Deps, wish: AccountWish): Promise<Created> {
  const userId = userIdOfName(deps, wish.name ?? makeLocalpart(deps.random))
  if (wish.password !== undefined) deps.passwords.assertAcceptable(wish.password)
  await deps.database.read((conn) => assertNameFree(conn, deps, userId))
  const password = wish.password === undefined ? undefined : await deps.passwords.hash(wish.password)
  const ts = deps.clock.now()
  const { kind = 'user', admin = false, session, registrationToken } = wish
  const userNid = await deps.database.write(async (tx: Tx) => {
    await assertNameFree(tx, deps, userId)
    if (registrationToken !== undefined && !(await putRegistrationTokenUse(tx, registrationToken, ts)))
      throw new MatrixError('M_FORBIDDEN', 'Invalid registration token')
    const nid = await putUser(tx, userId)
    if (!(await insertAccount(tx, { userNid: nid, password, kind, admin, ts })))
      throw new MatrixError('M_USER_IN_USE', `${localpartOf(userId)} is taken`)
    if (session !== undefined) await putSession(tx, deps, nid, session)
    return nid
  })
  return { userId, userNid }
}
