import { MatrixError } from '../protocol/errors.ts'
import type { EventId, RoomId, UserId } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { Actor } from './actor.ts'
import type { RoomsDeps } from './deps.ts'
import { inviteRemotely } from './invite-remote.ts'
import { assertInvitable } from './invitee.ts'
import { appendMember, membershipIn } from './member-append.ts'
import type { MemberExtras } from './member-content.ts'
import { knownRoom, notInRoom } from './membership.ts'
import { isResident } from './resident.ts'
import { writeInRoom } from './write-in-room.ts'

/** Whom to invite, and where. */
export interface Invitation extends MemberExtras {
  readonly roomId: RoomId
  readonly target: UserId
}

/**
 * Invites a user of this server or of another. Throws `M_FORBIDDEN`; `M_NOT_FOUND` for a user that does not exist;
 * `M_INVITE_BLOCKED`; `M_UNSUPPORTED_ROOM_VERSION`; 502 or 504 where their server fails.
 */
export async function inviteUser(
  deps: RoomsDeps,
  actor: Pick<Actor, 'userId' | 'userNid'>,
  invitation: Invitation,
): Promise<EventId> {
  const { roomId, target, ...extras } = invitation
  const room = await knownRoom(deps, roomId)
  const isLocal = serverNameOf(target) === deps.serverName
  await deps.database.read(async (conn) => {
    if (!(await isResident(conn, room)) || (await membershipIn(conn, deps, room, actor.userId)) !== 'join')
      throw notInRoom()
    if (isLocal) await assertInvitable(conn, target)
    if ((await membershipIn(conn, deps, room, target)) === 'ban')
      throw new MatrixError('M_FORBIDDEN', 'The user is banned')
  })
  if (!isLocal) return inviteRemotely(deps, actor, room, target, extras)
  return writeInRoom(deps, room, [actor.userNid], async (tx, current) => {
    // once more, in the transaction: from the moment of an erasure nobody invites the user any more
    await assertInvitable(tx, target)
    return (await appendMember(tx, deps, current, { ...extras, sender: actor.userId, target, membership: 'invite' }))
      .event.eventId
  })
}
