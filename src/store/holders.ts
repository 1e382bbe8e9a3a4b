import type { UserId } from '../protocol/ids.ts'
import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

const possible = sqlQuery<{ roomNid: number; erasedNid: number }, { user_id: UserId }>(
  'listPossibleHolders',
  `select u.user_id from memberships m join users u on u.user_nid = m.user_nid join accounts a on a.user_nid = m.user_nid
   where m.room_nid = :roomNid and m.local and not m.forgotten and m.user_nid <> :erasedNid
     and a.deactivated_ts is null and u.erased_ts is null`,
)

/** Active local users who are or were in a room and have not forgotten it, but the one who is erased. */
export async function listPossibleHolders(conn: Conn, roomNid: number, erasedNid: number): Promise<UserId[]> {
  return (await possible(conn, { roomNid, erasedNid })).map(({ user_id: userId }) => userId)
}
