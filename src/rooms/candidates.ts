import type { RoomId, ServerName } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { findMembership } from '../store/memberships.ts'
import { listRoomHosts } from '../store/room-hosts.ts'
import { findUserId } from '../store/users.ts'
import type { Actor } from './actor.ts'
import type { RoomsDeps } from './deps.ts'

/**
 * The servers through which a user may come into a room, best first: whoever invited them, those named by the caller,
 * those that were ever seen in the room, and the one in the room's id.
 */
export async function listCandidates(
  conn: Conn,
  deps: Pick<RoomsDeps, 'roomCache' | 'serverName'>,
  { userNid }: Pick<Actor, 'userNid'>,
  roomId: RoomId,
  named: readonly ServerName[] = [],
): Promise<ServerName[]> {
  const found: (ServerName | undefined)[] = []
  const room = await deps.roomCache.find(conn, roomId)
  if (room !== undefined) {
    const row = await findMembership(conn, userNid, room.nid)
    const inviter = row?.membership === 'invite' ? await findUserId(conn, row.sender_nid) : undefined
    if (inviter !== undefined) found.push(serverNameOf(inviter))
  }
  found.push(...named)
  if (room !== undefined) found.push(...(await knownHosts(conn, room.nid)))
  found.push(serverNameOf(roomId))
  return [...new Set(found)].filter((server) => server !== undefined && server !== deps.serverName) as ServerName[]
}

/** Those that were in the room when this server last saw it, then those that ever were. */
async function knownHosts(conn: Conn, roomNid: number): Promise<ServerName[]> {
  const hosts = await listRoomHosts(conn, roomNid)
  return [...hosts.filter(({ joined }) => joined), ...hosts.filter(({ joined }) => !joined)].map(({ name }) => name)
}
