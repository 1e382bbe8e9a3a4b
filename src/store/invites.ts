import type { UserId } from '../protocol/ids.ts'
import type { Conn } from './database.ts'
import { sqlQuery } from './query.ts'

const by = sqlQuery<{ roomNid: number; senderNid: number }, { user_id: UserId }>(
  'listInvitesBy',
  `select u.user_id from memberships m join users u on u.user_nid = m.user_nid
   where m.room_nid = :roomNid and m.membership = 'invite' and m.sender_nid = :senderNid order by m.user_nid`,
)
const active = sqlQuery<{ userNid: number }, { room_nid: number; room_id: string }>(
  'listRoomsToLeaveOf',
  `select r.room_nid, r.room_id from memberships m join rooms r on r.room_nid = m.room_nid
   where m.user_nid = :userNid and m.membership in ('join', 'invite', 'knock') order by r.room_nid`,
)

/** Who is invited to a room by a user, and has not answered. */
export async function listInvitesBy(conn: Conn, roomNid: number, senderNid: number): Promise<UserId[]> {
  return (await by(conn, { roomNid, senderNid })).map(({ user_id: userId }) => userId)
}

/** The rooms that a user is in, invited to, or knocks at. */
export function listRoomsToLeaveOf(conn: Conn, userNid: number): Promise<{ room_nid: number; room_id: string }[]> {
  return active(conn, { userNid })
}
