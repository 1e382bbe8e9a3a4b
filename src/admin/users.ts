import type { AccountsDeps } from '../accounts/deps.ts'
import { makeUserId, parseUserId } from '../protocol/ids.ts'
import type { UserId } from '../protocol/ids.ts'
import { listAccounts } from '../store/accounts.ts'
import type { AccountRow } from '../store/accounts.ts'

/** An account as operators see it. */
export interface AccountView {
  readonly user_id: UserId
  readonly kind: AccountRow['kind']
  readonly admin: boolean
  readonly created_ts: number
  readonly deactivated_ts: number | null
  readonly locked: boolean
  readonly suspended: boolean
}

/** A page of accounts, deactivated ones too; `next` leads to the page after it. */
export async function listUsers(
  deps: Pick<AccountsDeps, 'database'>,
  after: number,
  limit: number,
): Promise<{ users: AccountView[]; next?: number }> {
  const rows = await deps.database.read((conn) => listAccounts(conn, after, limit))
  const last = rows.length === limit ? rows.at(-1)?.user_nid : undefined
  return { users: rows.map(viewOf), ...(last === undefined ? {} : { next: last }) }
}

/** What operators see of an account row. */
export function viewOf(row: AccountRow): AccountView {
  const { user_id, kind, admin, created_ts, deactivated_ts, locked, suspended } = row
  return { user_id, kind, admin, created_ts, deactivated_ts, locked, suspended }
}

/** The user that an operator means by an id, or by a name of this server. */
export function meantUser(deps: Pick<AccountsDeps, 'serverName'>, name: string): UserId {
  return parseUserId(name) ?? makeUserId(name.toLowerCase(), deps.serverName)
}
