import { MatrixError } from '../protocol/errors.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { Conn } from '../store/database.ts'
import type { Actor } from './actor.ts'
import { findAuthoriser, meetsCondition, needsAuthoriser } from './authoriser.ts'
import { appendMember, membershipIn } from './member-append.ts'
import type { MemberExtras } from './member-content.ts'
import type { Room } from './room.ts'
import type { SendDeps } from './send.ts'
import { writeInRoom } from './write-in-room.ts'

/**
 * Joins a local user to a room in which this server takes part; nothing happens where they are joined. Throws
 * `M_FORBIDDEN`, `M_GUEST_ACCESS_FORBIDDEN`, and `M_UNABLE_TO_GRANT_JOIN` or `M_UNABLE_TO_AUTHORISE_JOIN` where another
 * server may be able to let them in (client-server API, "Restricted rooms").
 */
export async function joinLocally(deps: SendDeps, actor: Actor, room: Room, extras: MemberExtras): Promise<void> {
  const { userId, userNid } = actor
  await writeInRoom(deps, room, [userNid], async (tx, current) => {
    if ((await membershipIn(tx, deps, current, userId)) === 'join') return
    await assertGuestMayJoin(tx, deps, current, actor)
    const more = { ...extras.more, ...(await authorisation(tx, deps, current, actor)) }
    await appendMember(tx, deps, current, { ...extras, more, sender: userId, target: userId, membership: 'join' })
    deps.failpoint?.('join:appended')
  })
  deps.failpoint?.('join:stored')
}

async function authorisation(conn: Conn, deps: SendDeps, room: Room, { userId }: Actor): Promise<JsonObject> {
  if (!(await needsAuthoriser(conn, deps, room, userId))) return {}
  const verdict = await meetsCondition(conn, deps, room, userId)
  if (verdict === 'no')
    throw new MatrixError('M_FORBIDDEN', 'You are in none of the rooms whose members may join this one')
  if (verdict === 'unknown')
    throw new MatrixError(
      'M_UNABLE_TO_AUTHORISE_JOIN',
      'This server cannot see the rooms whose members may join this one',
    )
  const authoriser = await findAuthoriser(conn, deps, room)
  if (authoriser === undefined) throw new MatrixError('M_UNABLE_TO_GRANT_JOIN', 'Nobody on this server can let you in')
  return { join_authorised_via_users_server: authoriser }
}

/** Throws `M_GUEST_ACCESS_FORBIDDEN` for a guest, where the room is not open to guests (client-server API, "Guest access"). */
export async function assertGuestMayJoin(
  conn: Conn,
  deps: Pick<SendDeps, 'roomCache'>,
  room: Room,
  { kind }: Pick<Actor, 'kind'>,
): Promise<void> {
  if (kind !== 'guest') return
  const access = await deps.roomCache.stateEvent(conn, room, 'm.room.guest_access', '')
  if (access?.content.guest_access !== 'can_join')
    throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests may not join this room')
}
