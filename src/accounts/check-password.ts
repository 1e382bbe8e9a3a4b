import { findAccount, putPassword } from '../store/accounts.ts'
import type { AccountRow } from '../store/accounts.ts'
import type { AccountsDeps } from './deps.ts'

/**
 * The stored hash that this password fits, undefined where it is not the account's. Takes as long where there is no
 * account, where it is deactivated or has no password. A hash of an older pepper or cost is made anew.
 */
export async function checkPassword(
  deps: Pick<AccountsDeps, 'database' | 'passwords'>,
  account: AccountRow | undefined,
  password: string,
): Promise<string | undefined> {
  const usable = account?.deactivated_ts === null ? account : undefined
  if (!(await deps.passwords.verify(password, usable)) || usable?.password_hash == null) return undefined
  const { user_nid: userNid, password_hash: old } = usable
  if (!deps.passwords.isOutdated(usable)) return old
  const renewed = await deps.passwords.hash(password)
  const isRenewed = await deps.database.write(async (tx) => {
    const current = await findAccount(tx, userNid)
    return current?.password_hash === old && (await putPassword(tx, userNid, renewed))
  })
  return isRenewed ? renewed.hash : old
}
