import { createHmac, timingSafeEqual } from 'node:crypto'
import { MatrixError } from '../protocol/errors.ts'
import { deleteUiaSession, findUiaSession, putUiaSession } from '../store/uia.ts'
import { createAccount } from './create-account.ts'
import { planSession } from './issue.ts'
import type { LoggedIn } from './login.ts'

const operation = 'shared-secret registration'
const lifetimeMs = 60_000

type Deps = Parameters<typeof createAccount>[0]

/** A registration by whoever knows `registration.shared_secret`. */
export interface SharedSecretWish {
  readonly nonce: string
  readonly name: string
  readonly password: string
  readonly admin: boolean
  /** hexadecimal HMAC-SHA-1 over `nonce\0user\0password\0admin|notadmin` */
  readonly mac: string
}

/** A nonce that is good for one registration within a minute. Throws `M_UNRECOGNIZED` where there is no shared secret. */
export async function makeRegistrationNonce(deps: Deps): Promise<string> {
  sharedSecret(deps)
  const nonce = deps.random.token(32)
  const session = { sessionId: nonce, userNid: null, operation, completed: '[]', bound: '{}', ts: deps.clock.now() }
  await deps.database.write((tx) => putUiaSession(tx, session))
  return nonce
}

/**
 * Makes an account for a tool that knows the shared secret, and logs it in. Throws `M_FORBIDDEN` for a wrong mac, `M_UNKNOWN`
 * (400) for an unknown or old nonce, and what `createAccount` throws.
 */
export async function registerBySharedSecret(deps: Deps, wish: SharedSecretWish): Promise<LoggedIn> {
  const secret = sharedSecret(deps)
  const { nonce, name, password, admin } = wish
  if (name.includes('\0') || password.includes('\0'))
    throw new MatrixError('M_INVALID_PARAM', 'NUL is not allowed here')
  const isFresh = await deps.database.write(async (tx) => {
    const row = await findUiaSession(tx, nonce)
    if (row === undefined || row.operation !== operation) return false
    await deleteUiaSession(tx, nonce)
    return row.created_ts + lifetimeMs >= deps.clock.now()
  })
  if (!isFresh) throw new MatrixError('M_UNKNOWN', 'Unrecognised nonce', {}, 400)
  const parts = [nonce, name, password, admin ? 'admin' : 'notadmin']
  const wanted = createHmac('sha1', secret).update(parts.join('\0'), 'utf8').digest()
  const given = Buffer.from(wish.mac, 'hex')
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    throw new MatrixError('M_FORBIDDEN', 'HMAC incorrect')
  const session = planSession(deps, {})
  const { userId } = await createAccount(deps, { name, password, admin, session })
  return { userId, session }
}

function sharedSecret({ config }: Pick<Deps, 'config'>): string {
  const secret = config.registration.sharedSecret
  if (secret === null || secret === '') throw new MatrixError('M_UNRECOGNIZED', 'There is no shared secret')
  return secret
}
