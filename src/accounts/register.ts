import { MatrixError } from '../protocol/errors.ts'
import type { Json } from '../protocol/json-types.ts'
import type { AccountsDeps, Attempts } from './deps.ts'
import { createAccount } from './create-account.ts'
import { planSession } from './issue.ts'
import type { SessionWish } from './issue.ts'
import type { LoggedIn } from './login.ts'
import { assertNameFree, userIdOfName } from './names.ts'
import { assertInteractive } from './uia.ts'
import type { UiaFlow } from './uia-required.ts'

/** What `/register` was asked for. */
export interface RegistrationWish extends SessionWish {
  readonly name: string | undefined
  readonly password: string | undefined
  readonly inhibitLogin: boolean
  readonly auth: Json | undefined
}

/** What came of it; without a session where the client wanted none. */
export type Registered = Pick<LoggedIn, 'userId'> & Partial<LoggedIn>

const stages: Readonly<Record<string, string>> = { dummy: 'm.login.dummy', token: 'm.login.registration_token' }

type Deps = Parameters<typeof createAccount>[0]

/**
 * How somebody registers: one flow of all stages that the configuration asks for; none where it asks for one that this
 * server cannot carry out.
 */
export function registrationFlows({ config }: Pick<AccountsDeps, 'config'>): UiaFlow[] {
  const { flows } = config.registration
  const known = flows.flatMap((flow) => stages[flow] ?? [])
  return flows.length > 0 && known.length === flows.length ? [known] : []
}

/** Throws `M_FORBIDDEN` where nobody can register. */
export function assertRegistrationOpen(deps: Pick<AccountsDeps, 'config'>): void {
  if (!deps.config.registration.enabled || registrationFlows(deps).length === 0)
    throw new MatrixError('M_FORBIDDEN', 'Registration is disabled')
}

/**
 * Registers an account (`POST /register`, "Account registration"). The name is checked before anything has to be proved.
 * Throws `M_FORBIDDEN` where registration is off, what `createAccount` throws, and `InteractiveAuthRequired`.
 */
export async function register(deps: Deps, wish: RegistrationWish, attempts: Attempts): Promise<Registered> {
  assertRegistrationOpen(deps)
  const { name, password } = wish
  if (name !== undefined) await assertNameAvailable(deps, name)
  if (password !== undefined) deps.passwords.assertAcceptable(password)
  const session = wish.inhibitLogin ? undefined : planSession(deps, wish)
  const { registrationToken } = await assertInteractive(
    deps,
    {
      operation: 'POST /register',
      claimant: undefined,
      flows: registrationFlows(deps),
      auth: wish.auth,
      bound: name === undefined ? null : name.toLowerCase(),
    },
    attempts,
  )
  if (password === undefined) throw new MatrixError('M_MISSING_PARAM', 'A password is needed')
  const { userId } = await createAccount(deps, { name, password, registrationToken, session })
  return session === undefined ? { userId } : { userId, session }
}

/** Registers a guest (`?kind=guest`), who has no password and whose name the server chooses. Throws `M_FORBIDDEN`. */
export async function registerGuest(deps: Deps, displayName: string | undefined): Promise<LoggedIn> {
  if (!deps.config.registration.guests) throw new MatrixError('M_FORBIDDEN', 'Guest accounts are disabled')
  const session = planSession(deps, { displayName })
  const { userId } = await createAccount(deps, { kind: 'guest', session })
  return { userId, session }
}

/** Throws `M_INVALID_USERNAME`, `M_EXCLUSIVE` or `M_USER_IN_USE` for a name that nobody can register. */
export async function assertNameAvailable(deps: Deps, name: string): Promise<void> {
  const userId = userIdOfName(deps, name)
  await deps.database.read((conn) => assertNameFree(conn, deps, userId))
}
