import type { ServerName } from '../../protocol/ids.ts'
import { isServerAllowed } from '../../protocol/server-acl.ts'
import type { Conn } from '../../store/database.ts'
import type { RoomsDeps } from '../deps.ts'
import type { Room } from '../room.ts'

/** Whether the room's ACL lets a server make requests about it (server-server API, "Server Access Control Lists"). */
export async function isAllowedByAcl(
  deps: Pick<RoomsDeps, 'roomCache'>,
  conn: Conn,
  room: Room,
  server: ServerName,
): Promise<boolean> {
  const acl = await deps.roomCache.stateEvent(conn, room, 'm.room.server_acl', '')
  return isServerAllowed(server, acl?.content)
}
