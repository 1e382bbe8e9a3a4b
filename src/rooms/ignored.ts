import { parseUserId } from '../protocol/ids.ts'
import type { UserId } from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json } from '../protocol/json-types.ts'
import { findAccountData, globalRoom } from '../store/account-data.ts'
import type { Conn } from '../store/database.ts'
import { listUserNids } from '../store/users.ts'

const nobody: ReadonlySet<number> = new Set()
const mostIgnored = 10_000

/**
 * Row ids of the users whom a user ignores (client-server API, "Ignoring users"). Their messages are not given to the
 * user, their state events are.
 */
export async function ignoredBy(conn: Conn, userNid: number): Promise<ReadonlySet<number>> {
  const row = await findAccountData(conn, userNid, globalRoom, 'm.ignored_user_list')
  if (row?.content == null) return nobody
  const content = JSON.parse(row.content) as Json
  const listed = isJsonObject(content) ? memberOf(content, 'ignored_users') : undefined
  if (!isJsonObject(listed)) return nobody
  const userIds = Object.keys(listed)
    .slice(0, mostIgnored)
    .map(parseUserId)
    .filter((id): id is UserId => id !== undefined)
  return new Set((await listUserNids(conn, userIds)).values())
}

/** Is it a message of somebody ignored? */
export function isIgnored(
  ignored: ReadonlySet<number> | undefined,
  row: { readonly sender_nid: number; readonly state_key_nid: number | null },
): boolean {
  return ignored !== undefined && row.state_key_nid === null && ignored.has(row.sender_nid)
}
