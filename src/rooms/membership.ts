import { MatrixError } from '../protocol/errors.ts'
import type { EventId, RoomId, UserId } from '../protocol/ids.ts'
import { findMembership, putForgotten } from '../store/memberships.ts'
import type { Actor } from './actor.ts'
import type { RoomsDeps } from './deps.ts'
import { appendMember, membershipIn } from './member-append.ts'
import type { MemberExtras } from './member-content.ts'
import type { Room } from './room.ts'
import type { SendDeps } from './send.ts'
import { writeInRoom } from './write-in-room.ts'

/** Whom a moderator acts on, and why. */
export interface Moderation extends MemberExtras {
  readonly roomId: RoomId
  readonly target: UserId
}

/** Makes somebody leave, or withdraws their invite or knock. Throws `M_FORBIDDEN`, `M_NOT_FOUND`. */
export function kick(deps: SendDeps, actor: Actor, moderation: Moderation): Promise<EventId> {
  return moderate(deps, actor, moderation, 'leave', (membership) =>
    membership === 'leave' || membership === 'ban' ? 'The user is not in the room' : undefined,
  )
}

/** Bans somebody, who need not be in the room. Throws `M_FORBIDDEN`, `M_NOT_FOUND`. */
export function ban(deps: SendDeps, actor: Actor, moderation: Moderation): Promise<EventId> {
  return moderate(deps, actor, moderation, 'ban', () => undefined)
}

/** Ends a ban. Throws `M_FORBIDDEN`, also where there is none, and `M_NOT_FOUND`. */
export function unban(deps: SendDeps, actor: Actor, moderation: Moderation): Promise<EventId> {
  return moderate(deps, actor, moderation, 'leave', (membership) =>
    membership === 'ban' ? undefined : 'The user is not banned',
  )
}

async function moderate(
  deps: SendDeps,
  actor: Actor,
  { roomId, target, ...extras }: Moderation,
  membership: 'leave' | 'ban',
  check: (before: string) => string | undefined,
): Promise<EventId> {
  const room = await knownRoom(deps, roomId)
  return writeInRoom(deps, room, [actor.userNid], async (tx, current) => {
    // who is not in the room learns nothing of the others
    if ((await membershipIn(tx, deps, current, actor.userId)) !== 'join') throw notInRoom()
    const refusal = check(await membershipIn(tx, deps, current, target))
    if (refusal !== undefined) throw new MatrixError('M_FORBIDDEN', refusal)
    return (await appendMember(tx, deps, current, { ...extras, sender: actor.userId, target, membership })).event
      .eventId
  })
}

/** Forgets a room that the user has left (client-server API, "Leaving rooms"). Throws `M_UNKNOWN` (400) otherwise. */
export async function forgetRoom(
  deps: Pick<RoomsDeps, 'database' | 'roomCache' | 'changes'>,
  { userNid }: Pick<Actor, 'userNid'>,
  roomId: RoomId,
): Promise<void> {
  const room = await deps.database.read((conn) => deps.roomCache.find(conn, roomId))
  const mayNot = () => new MatrixError('M_UNKNOWN', 'You have not left this room', {}, 400)
  if (room === undefined) throw mayNot()
  await writeInRoom(deps, room, [userNid], async (tx) => {
    const row = await findMembership(tx, userNid, room.nid)
    if (row?.membership !== 'leave' && row?.membership !== 'ban') throw mayNot()
    await putForgotten(tx, userNid, room.nid, true)
    tx.afterCommit(() => deps.changes.announce({ userNids: [userNid] }))
  })
}

/** A room that this server has state of. Throws `M_FORBIDDEN`, the same for a room that does not exist. */
export async function knownRoom(deps: Pick<RoomsDeps, 'database' | 'roomCache'>, roomId: RoomId): Promise<Room> {
  const room = await deps.database.read((conn) => deps.roomCache.find(conn, roomId))
  if (room === undefined || room.currentGroup === 0) throw notInRoom()
  return room
}

/** What somebody hears who is not in a room, whether it exists or not. */
export function notInRoom(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'You are not in this room')
}
