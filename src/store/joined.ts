import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

const members = sqlQuery<
  { roomNid: number },
  { user_nid: number; user_id: string; display_name: string | null; avatar_url: string | null }
>(
  'listNamedMembers',
  `select m.user_nid as user_nid, u.user_id as user_id, m.display_name as display_name, m.avatar_url as avatar_url
   from memberships m join users u on u.user_nid = m.user_nid where m.room_nid = :roomNid and m.membership = 'join'`,
)
const rooms = sqlQuery<{ userNid: number }, { room_id: string }>(
  'listJoinedRoomIds',
  `select r.room_id as room_id from memberships m join rooms r on r.room_nid = m.room_nid
   where m.user_nid = :userNid and m.membership = 'join'`,
)

/** Everybody who is joined to a room, with name and avatar in it. */
export function listNamedMembers(conn: Conn, roomNid: number) {
  return members(conn, { roomNid })
}

/** Ids of the rooms that a user is joined to. */
export async function listJoinedRoomIds(conn: Conn, userNid: number): Promise<string[]> {
  return (await rooms(conn, { userNid })).map(({ room_id }) => room_id)
}
