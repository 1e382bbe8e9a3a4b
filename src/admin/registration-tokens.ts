import type { AccountsDeps } from '../accounts/deps.ts'
import { MatrixError } from '../protocol/errors.ts'
import { deleteRegistrationToken, listRegistrationTokens } from '../store/registration-tokens.ts'
import type { RegistrationTokenRow } from '../store/registration-tokens.ts'

type Deps = Pick<AccountsDeps, 'database'>

/** Every registration token, how often it was used and how long it is good. */
export function listTokens({ database }: Deps): Promise<RegistrationTokenRow[]> {
  return database.read(listRegistrationTokens)
}

/** Removes a registration token. Throws `M_NOT_FOUND`. */
export async function deleteToken({ database }: Deps, token: string): Promise<void> {
  const isGone = await database.write((tx) => deleteRegistrationToken(tx, token))
  if (!isGone) throw new MatrixError('M_NOT_FOUND', 'There is no such token')
}
