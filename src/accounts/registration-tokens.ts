import { MatrixError } from '../protocol/errors.ts'
import { findRegistrationToken, insertRegistrationToken } from '../store/registration-tokens.ts'
import type { RegistrationTokenLimits, RegistrationTokenRow } from '../store/registration-tokens.ts'
import type { AccountsDeps } from './deps.ts'

// appendices, "Opaque Identifiers"; at most 64 characters
const grammar = /^[A-Za-z0-9._~-]{1,64}$/

/** Whether an account may be made with this token at `now`. */
export function isUsableToken(row: RegistrationTokenRow, now: number): boolean {
  if (row.expires_ts !== null && row.expires_ts <= now) return false
  return row.uses_allowed === null || row.completed < row.uses_allowed
}

/** `GET /register/m.login.registration_token/validity`. Throws `M_FORBIDDEN` where nobody can register. */
export async function isRegistrationTokenValid(
  deps: Pick<AccountsDeps, 'database' | 'clock' | 'config'>,
  token: string,
): Promise<boolean> {
  if (!deps.config.registration.enabled) throw new MatrixError('M_FORBIDDEN', 'Registration is not enabled')
  const row = await deps.database.read((conn) => findRegistrationToken(conn, token))
  return row !== undefined && isUsableToken(row, deps.clock.now())
}

/** Makes a registration token, of the operator's choice or at random. Throws `M_INVALID_PARAM`. */
export async function makeRegistrationToken(
  deps: Pick<AccountsDeps, 'database' | 'random'>,
  limits: RegistrationTokenLimits,
  wanted?: string,
): Promise<string> {
  const token = wanted ?? deps.random.token(12)
  if (!grammar.test(token))
    throw new MatrixError('M_INVALID_PARAM', 'A token has 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -')
  const isNew = await deps.database.write((tx) => insertRegistrationToken(tx, token, limits))
  if (!isNew) throw new MatrixError('M_INVALID_PARAM', 'This token exists')
  return token
}
