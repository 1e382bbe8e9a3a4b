import type { Conn } from '../store/database.ts'
import { countLocalMembers } from '../store/memberships.ts'
import type { Room } from './room.ts'

/**
 * Whether this server takes part in a room, so that what it knows of its state is current: one of its users is joined,
 * or nobody else is. Rooms that are known only by an invite or a knock have no state here at all.
 */
export async function isResident(conn: Conn, room: Room): Promise<boolean> {
  if (room.currentGroup === 0) return false
  return room.hosts.length === 0 || (await countLocalMembers(conn, room.nid)) > 0
}
