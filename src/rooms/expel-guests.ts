import type { RoomId } from '../protocol/ids.ts'
import { findAccount } from '../store/accounts.ts'
import { listLocalMembers } from '../store/memberships.ts'
import type { RoomsDeps } from './deps.ts'
import { leaveRoom } from './leave.ts'

/**
 * Lets our guests leave a room that is no longer open to guests (client-server API, "Guest Access", "Server behaviour").
 * A guest who cannot leave is logged and stays.
 */
export async function expelGuests(deps: RoomsDeps, roomId: RoomId): Promise<void> {
  const guests = await deps.database.read(async (conn) => {
    const room = await deps.roomCache.get(conn, roomId)
    const access = await deps.roomCache.stateEvent(conn, room, 'm.room.guest_access', '')
    if (access?.content.guest_access === 'can_join') return []
    const found = []
    for (const { userId, userNid } of await listLocalMembers(conn, room.nid))
      if ((await findAccount(conn, userNid))?.kind === 'guest') found.push({ userId, userNid })
    return found
  })
  for (const guest of guests) {
    try {
      await leaveRoom(deps, guest, roomId)
    } catch (error) {
      deps.log.warn('a guest could not leave a room', { roomId, error })
    }
  }
}
