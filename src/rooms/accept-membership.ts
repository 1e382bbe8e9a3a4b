import type { RoomEvent } from '../protocol/event.ts'
import type { RoomsDeps } from './deps.ts'
import type { Handed } from './handshake.ts'
import { admit, checkHanded } from './handshake.ts'
import { inviteState } from './invite-remote.ts'
import { openRoom } from './make-template.ts'

/** Takes the leave that another server built (server-server API, `send_leave`). Throws `M_NOT_FOUND`, `M_FORBIDDEN`, `M_INVALID_PARAM`. */
export async function acceptLeave(deps: RoomsDeps, handed: Handed): Promise<void> {
  const room = await deps.database.read((conn) => openRoom(conn, deps, handed.roomId, handed.origin))
  await admit(deps, 'send_leave', handed.origin, await checkHanded(deps, room.version, handed, 'leave'))
}

/**
 * Takes the knock that another server built (server-server API, `send_knock`); gives the events that tell it what the
 * room is. Throws `M_NOT_FOUND`, `M_FORBIDDEN`, `M_INVALID_PARAM`.
 */
export async function acceptKnock(deps: RoomsDeps, handed: Handed): Promise<readonly RoomEvent[]> {
  const room = await deps.database.read((conn) => openRoom(conn, deps, handed.roomId, handed.origin))
  await admit(deps, 'send_knock', handed.origin, await checkHanded(deps, room.version, handed, 'knock'))
  return deps.database.read(async (conn) => inviteState(conn, deps, await deps.roomCache.get(conn, room.id)))
}
