import type { RemoteTyping } from '../federation/edus.ts'
import type { Requester } from '../accounts/requester.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { RoomId, ServerName, UserId } from '../protocol/ids.ts'
import { isAllowedByAcl } from '../rooms/checks/server-acl.ts'
import type { Room } from '../rooms/room.ts'
import { findMembership } from '../store/memberships.ts'
import type { DeliveryDeps } from './deps.ts'

type Deps = Pick<DeliveryDeps, 'database' | 'roomCache' | 'typing' | 'outbound'>

const defaultMs = 30_000
const leastMs = 1_000
const mostMs = 120_000
/** Servers repeat what goes on at least this often. */
const remoteMs = 60_000

/**
 * Says that a local user is typing for the next `timeoutMs`, or has stopped; told to the other servers in the room.
 * Throws `M_FORBIDDEN` for somebody who is not in the room.
 */
export async function setTyping(
  deps: Deps,
  { userNid, userId }: Pick<Requester, 'userNid' | 'userId'>,
  roomId: RoomId,
  { isTyping, timeoutMs = defaultMs }: { readonly isTyping: boolean; readonly timeoutMs?: number | undefined },
): Promise<void> {
  const room = await deps.database.read(async (conn) => {
    const found = await deps.roomCache.find(conn, roomId)
    if (found === undefined) return undefined
    return (await findMembership(conn, userNid, found.nid))?.membership === 'join' ? found : undefined
  })
  if (room === undefined) throw new MatrixError('M_FORBIDDEN', 'You are not in this room')
  if (isTyping) {
    const forMs = Math.min(Math.max(timeoutMs, leastMs), mostMs)
    deps.typing.begin(room.nid, userId, forMs, () => tell(deps, room, userId, false))
    // also when it is not new: the others forget it after a while
    tell(deps, room, userId, true)
  } else if (deps.typing.end(room.nid, userId)) tell(deps, room, userId, false)
}

function tell(deps: Pick<Deps, 'outbound'>, room: Room, userId: UserId, isTyping: boolean): void {
  if (room.hosts.length === 0) return
  deps.outbound.sendEphemeral(room.hosts, {
    type: 'm.typing',
    content: { room_id: room.id, user_id: userId, typing: isTyping },
    key: `typing ${room.id} ${userId}`,
  })
}

/** What another server says of a user of its own (server-server API, "Typing Notifications"), as `parseTyping` gave it. */
export async function applyRemoteTyping(
  deps: Deps,
  origin: ServerName,
  { roomId, userId, isTyping }: RemoteTyping,
): Promise<void> {
  const roomNid = await deps.database.read(async (conn) => {
    const room = await deps.roomCache.find(conn, roomId)
    const userNid = await deps.roomCache.userNid(conn, userId)
    if (room === undefined || userNid === undefined || !(await isAllowedByAcl(deps, conn, room, origin)))
      return undefined
    return (await findMembership(conn, userNid, room.nid))?.membership === 'join' ? room.nid : undefined
  })
  if (roomNid === undefined) return
  if (isTyping) deps.typing.begin(roomNid, userId, remoteMs)
  else deps.typing.end(roomNid, userId)
}
