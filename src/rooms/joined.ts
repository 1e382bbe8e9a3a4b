import { MatrixError } from '../protocol/errors.ts'
import type { RoomId, UserId } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { listJoinedRoomIds, listNamedMembers } from '../store/joined.ts'
import { readableRoom } from './access.ts'
import type { RoomsDeps } from './deps.ts'
import type { UserViewer } from './viewer.ts'

/** What a list of joined members shows of each. */
export interface JoinedMember {
  readonly display_name?: string
  readonly avatar_url?: string
}

/**
 * Name and avatar of everybody who is joined: `GET /rooms/{roomId}/joined_members`. Only for somebody who is joined
 * themselves. Throws `M_FORBIDDEN`.
 */
export async function readJoinedMembers(
  deps: Pick<RoomsDeps, 'roomCache' | 'erased'>,
  conn: Conn,
  viewer: UserViewer,
  roomId: RoomId,
): Promise<Readonly<Record<UserId, JoinedMember>>> {
  const { room, standing } = await readableRoom(deps, conn, viewer, roomId)
  if (standing.membership !== 'join') throw new MatrixError('M_FORBIDDEN', 'You are not in this room')
  const joined: Record<UserId, JoinedMember> = {}
  for (const row of await listNamedMembers(conn, room.nid)) {
    const isErased = deps.erased.of(row.user_nid) !== undefined
    joined[row.user_id as UserId] = {
      ...(row.display_name === null || isErased ? {} : { display_name: row.display_name }),
      ...(row.avatar_url === null || isErased ? {} : { avatar_url: row.avatar_url }),
    }
  }
  return joined
}

/** The rooms that a user is joined to: `GET /joined_rooms`. */
export async function readJoinedRooms(conn: Conn, userNid: number): Promise<RoomId[]> {
  return (await listJoinedRoomIds(conn, userNid)).map((id) => id as RoomId)
}
