import { MatrixError } from '../protocol/errors.ts'
import { putPassword } from '../store/accounts.ts'
import { listDevices } from '../store/devices.ts'
import { deleteShortTokensOfUser } from '../store/short-tokens.ts'
import { endDevices } from './devices.ts'
import type { AccountsDeps } from './deps.ts'

type Deps = Pick<AccountsDeps, 'database' | 'sessions' | 'outbound' | 'changes' | 'passwords'>

/**
 * Gives an account a new password; `endOthers` also ends all its sessions but that of device `keep`. Throws
 * `M_WEAK_PASSWORD`, `M_INVALID_PARAM`, and `M_USER_DEACTIVATED` where the account has ended.
 */
export async function changePassword(
  deps: Deps,
  user: { readonly userNid: number; readonly userId: string },
  password: string,
  options: { readonly endOthers: boolean; readonly keep?: string | undefined },
): Promise<void> {
  deps.passwords.assertAcceptable(password)
  const stored = await deps.passwords.hash(password)
  const { userNid } = user
  await deps.database.write(async (tx) => {
    if (!(await putPassword(tx, userNid, stored)))
      throw new MatrixError('M_USER_DEACTIVATED', 'This account has been deactivated')
    await deleteShortTokensOfUser(tx, userNid)
    if (!options.endOthers) return
    const others = (await listDevices(tx, userNid)).map(({ device_id: id }) => id).filter((id) => id !== options.keep)
    if (others.length > 0) await endDevices(tx, deps, user, others)
  })
}
