import type { RoomId, ServerName, UserId } from '../protocol/ids.ts'
import type { RoomsDeps } from './deps.ts'
import type { MemberExtras } from './member-content.ts'
import { memberContent } from './member-content.ts'
import { buildFromTemplate, readTemplate } from './template.ts'
import { tryServers } from './try-servers.ts'

const deadlineMs = 60_000

/**
 * Declines an invite, or withdraws a knock, with the servers of a room that this server is not in (server-server API,
 * "Leaving Rooms"). Throws where none of them took it.
 */
export async function leaveRemotely(
  deps: RoomsDeps,
  userId: UserId,
  roomId: RoomId,
  candidates: Iterable<ServerName>,
  extras: MemberExtras,
): Promise<void> {
  const asked = { roomId, userId, membership: 'leave' } as const
  const content = await deps.database.read((conn) => memberContent(conn, deps, userId, 'leave', extras))
  await tryServers(deps, candidates, deadlineMs, async (server) => {
    const parts = readTemplate(server, await deps.federation.makeLeave(server, roomId, userId), asked)
    const event = buildFromTemplate(deps, server, parts, asked, content)
    await deps.federation.sendLeave(server, roomId, event.eventId, event.pdu)
  })
}
