import { MatrixError } from '../../protocol/errors.ts'
import type { UserId } from '../../protocol/ids.ts'
import { findAccountByUserId } from '../../store/accounts.ts'
import { countErasureScope } from '../../store/erasure-census.ts'
import type { ErasureScope } from '../../store/erasure-census.ts'
import { countRowsOfSubject } from '../../store/scrub.ts'
import type { PrivacyDeps } from '../deps.ts'

/** What an erasure would concern, without beginning one. */
export interface ErasurePreview extends ErasureScope {
  readonly user_id: UserId
  readonly mode: string
  /** rows to delete, by table */
  readonly rows: Readonly<Record<string, number>>
}

/** `lethe erase --dry-run`. Throws `M_NOT_FOUND`. */
export async function previewErasure(
  deps: Pick<PrivacyDeps, 'database' | 'config'>,
  userId: UserId,
  mode: string = deps.config.erasure.mode,
): Promise<ErasurePreview> {
  return deps.database.read(async (conn) => {
    const account = await findAccountByUserId(conn, userId)
    if (account === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such account')
    const scope = await countErasureScope(conn, account.user_nid)
    const rows = await countRowsOfSubject(conn, { userNid: account.user_nid, userId })
    return { user_id: userId, mode, ...scope, rows }
  })
}
