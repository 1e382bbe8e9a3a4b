import { MatrixError } from '../protocol/errors.ts'
import { isValidLocalpart, makeUserId, maxIdBytes } from '../protocol/ids.ts'
import type { UserId } from '../protocol/ids.ts'
import { utf8Length } from '../protocol/text.ts'
import { findAccountByUserId } from '../store/accounts.ts'
import type { Conn } from '../store/database.ts'
import { foldLocalpart, isTombstoned } from '../store/tombstones.ts'
import type { AccountsDeps } from './deps.ts'

type Deps = Pick<AccountsDeps, 'serverName' | 'config' | 'isExclusiveName'>

/**
 * The user id that a wished-for name becomes: in lower case (appendices, "User Identifiers"). Throws
 * `M_INVALID_USERNAME` for what cannot be one, `M_EXCLUSIVE` for names of application services.
 */
export function userIdOfName(deps: Deps, name: string): UserId {
  const localpart = foldLocalpart(name)
  const userId = makeUserId(localpart, deps.serverName)
  if (!isValidLocalpart(localpart))
    throw new MatrixError('M_INVALID_USERNAME', 'A user name has only the characters a-z 0-9 . _ = / + -')
  if (utf8Length(userId) > maxIdBytes) throw new MatrixError('M_INVALID_USERNAME', 'The user name is too long')
  if (deps.isExclusiveName?.(localpart) === true)
    throw new MatrixError('M_EXCLUSIVE', 'This user name is reserved by an application service')
  return userId
}

/** Throws `M_USER_IN_USE` for a name that somebody has, ever had (P5), or that the server keeps for itself. */
export async function assertNameFree(conn: Conn, deps: Deps, userId: UserId): Promise<void> {
  const localpart = userId.slice(1, userId.indexOf(':'))
  const isReserved = localpart === foldLocalpart(deps.config.serverNotices.localpart)
  if (isReserved || (await isTombstoned(conn, localpart)) || (await findAccountByUserId(conn, userId)) !== undefined)
    throw new MatrixError('M_USER_IN_USE', 'This user name is taken')
}
