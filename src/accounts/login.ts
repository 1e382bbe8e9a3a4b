import { MatrixError } from '../protocol/errors.ts'
import type { UserId } from '../protocol/ids.ts'
import { findAccount } from '../store/accounts.ts'
import { user as userLock } from '../store/locks.ts'
import { deleteShortToken, findShortToken } from '../store/short-tokens.ts'
import { checkPassword } from './check-password.ts'
import type { AccountsDeps, Attempts } from './deps.ts'
import { findIdentifiedAccount } from './identify.ts'
import { planSession, putSession } from './issue.ts'
import type { SessionPlan, SessionWish } from './issue.ts'
import { locked } from './session.ts'
import { hashToken } from './tokens.ts'

type Deps = Pick<AccountsDeps, 'database' | 'clock' | 'random' | 'sessions' | 'passwords' | 'config'>

/** A session that was begun. */
export interface LoggedIn {
  readonly userId: UserId
  readonly session: SessionPlan
}

/**
 * Logs in with a password (`m.login.password`). `userId` is whoever the client named, known or not. Throws `M_FORBIDDEN`,
 * the same for a wrong password, an unknown user and a deactivated one; `M_USER_LOCKED`; what `attempts` throws.
 */
export async function logInByPassword(
  deps: Deps,
  credentials: { readonly userId: string; readonly password: string },
  wish: SessionWish,
  attempts: Attempts,
): Promise<LoggedIn> {
  if (!deps.config.passwords.login) throw new MatrixError('M_FORBIDDEN', 'Logging in by password is switched off')
  const plan = planSession(deps, wish)
  const { userId, password } = credentials
  attempts.before(userId)
  const account = await deps.database.read((conn) => findIdentifiedAccount(conn, userId))
  const hash = await checkPassword(deps, account, password)
  if (hash === undefined || account === undefined) throw wrongPassword()
  attempts.succeeded(userId)
  await begin(deps, account.user_nid, hash, plan)
  return { userId: account.user_id, session: plan }
}

/** Logs in with a token that `makeLoginToken` made (`m.login.token`); it works once. Throws `M_FORBIDDEN`, `M_USER_LOCKED`. */
export async function logInByToken(deps: Deps, token: string, wish: SessionWish): Promise<LoggedIn> {
  const plan = planSession(deps, wish)
  const hash = hashToken(token)
  const userNid = await deps.database.read((conn) => findShortToken(conn, 'login', hash, plan.ts))
  const account =
    userNid === undefined
      ? undefined
      : await deps.database.write(
          async (tx) => {
            const found = await findAccount(tx, userNid)
            if (found === undefined || found.deactivated_ts !== null || found.locked) return found
            if (!(await deleteShortToken(tx, hash))) return undefined
            await putSession(tx, deps, userNid, plan)
            return found
          },
          { locks: [userLock(userNid)] },
        )
  if (account === undefined || account.deactivated_ts !== null)
    throw new MatrixError('M_FORBIDDEN', 'Invalid login token')
  if (account.locked) throw locked()
  return { userId: account.user_id, session: plan }
}

/** The account may have ended, or got another password, while the hash was computed. */
async function begin(deps: Deps, userNid: number, hash: string, plan: SessionPlan): Promise<void> {
  const outcome = await deps.database.write(
    async (tx) => {
      const account = await findAccount(tx, userNid)
      if (account === undefined || account.deactivated_ts !== null || account.password_hash !== hash) return 'gone'
      if (account.locked) return 'locked'
      await putSession(tx, deps, userNid, plan)
      return 'done'
    },
    { locks: [userLock(userNid)] },
  )
  if (outcome === 'locked') throw locked()
  if (outcome === 'gone') throw wrongPassword()
}

function wrongPassword(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'Invalid username or password')
}
