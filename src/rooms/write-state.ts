import { MatrixError } from '../protocol/errors.ts'
import type { EventId, RoomId, UserId } from '../protocol/ids.ts'
import { canonicalJson } from '../protocol/canonical-json.ts'
import { parseUserId } from '../protocol/ids.ts'
import { memberOf } from '../protocol/json.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { Actor } from './actor.ts'
import { assertAliasesLeadHere } from './canonical-alias.ts'
import { checkContent } from './content-checks.ts'
import type { RoomsDeps } from './deps.ts'
import { inviteUser } from './invite.ts'
import { joinRoom } from './join.ts'
import { maySendState } from './may-send.ts'
import { membershipIn } from './member-append.ts'
import { ban, kick, knownRoom, unban } from './membership.ts'
import type { Room } from './room.ts'
import { sendEvent } from './send.ts'

/** A state event that a client sends. */
export interface StateRequest {
  readonly roomId: RoomId
  readonly type: string
  readonly stateKey: string
  readonly content: JsonObject
  /** ms, of application services only */
  readonly ts?: number | undefined
}

/**
 * Sends a state event of a local user (client-server API, `PUT /rooms/{roomId}/state`). Memberships follow the same rules
 * as their own endpoints. Throws `M_FORBIDDEN`, `M_BAD_JSON`, `M_INVALID_PARAM`, `M_BAD_ALIAS`, `M_TOO_LARGE`, and what
 * inviting throws.
 */
export async function writeState(deps: RoomsDeps, actor: Actor, request: StateRequest): Promise<EventId> {
  const { roomId, type, stateKey, ts } = request
  const content = type === 'm.room.member' ? withoutAuthoriser(request.content) : request.content
  const room = await knownRoom(deps, roomId)
  checkContent(type, content, { isState: true, serverName: deps.serverName })
  if (type === 'm.room.member') {
    const target = parseUserId(stateKey)
    if (target === undefined) throw new MatrixError('M_INVALID_PARAM', 'The state key of a membership is a user ID')
    const sent = await writeMembership(deps, actor, roomId, target, content)
    if (sent !== undefined) return sent
  }
  if (type === 'm.room.canonical_alias' && stateKey === '') await assertAliasesLeadHere(deps, room, content)
  if (type === 'm.room.tombstone' && content.replacement_room === roomId)
    throw new MatrixError('M_BAD_JSON', 'A room cannot replace itself')
  const same = ts === undefined ? await sameAlready(deps, actor, room, { type, stateKey, content }) : undefined
  if (same !== undefined) return same
  return (await sendEvent(deps, { roomId, draft: { type, stateKey, content, sender: actor.userId, ts } })).eventId
}

/**
 * The current event where it says the same, by a user who may still say it. NOTSPEC: a request that came twice, as it
 * does when its answer was lost, makes no second event.
 */
async function sameAlready(
  deps: RoomsDeps,
  { userId }: Actor,
  { id }: Room,
  { type, stateKey, content }: Pick<StateRequest, 'type' | 'stateKey' | 'content'>,
): Promise<EventId | undefined> {
  return deps.database.read(async (conn) => {
    const room = await deps.roomCache.get(conn, id)
    const event = await deps.roomCache.stateEvent(conn, room, type, stateKey)
    if (event?.sender !== userId || canonicalJson(event.content) !== canonicalJson(content)) return undefined
    return (await maySendState(conn, deps, room, userId, type)) ? event.eventId : undefined
  })
}

/** Somebody's own join by the rules of joining. Undefined where they are joined and change what others see of them. */
async function joinByState(
  deps: RoomsDeps,
  actor: Actor,
  roomId: RoomId,
  content: JsonObject,
): Promise<EventId | undefined> {
  const own = () =>
    deps.database.read(async (conn) =>
      deps.roomCache.stateEvent(conn, await deps.roomCache.get(conn, roomId), 'm.room.member', actor.userId),
    )
  if ((await own())?.content.membership === 'join') return undefined
  await joinRoom(deps, actor, { target: roomId, more: content })
  return (await own())?.eventId
}

/** Who lets somebody into a restricted room is for the server to say, and for that user's server to sign. */
function withoutAuthoriser(content: JsonObject): JsonObject {
  const { join_authorised_via_users_server: _authoriser, ...rest } = content
  return rest
}

/** Memberships by their own rules; undefined where the event is like any other. */
async function writeMembership(
  deps: RoomsDeps,
  actor: Actor,
  roomId: RoomId,
  target: UserId,
  content: JsonObject,
): Promise<EventId | undefined> {
  const membership = memberOf(content, 'membership')
  const about = { roomId, target, more: content }
  if (membership === 'invite') return inviteUser(deps, actor, about)
  if (target === actor.userId) return membership === 'join' ? joinByState(deps, actor, roomId, content) : undefined
  if (membership === 'ban') return ban(deps, actor, about)
  if (membership === 'leave') {
    const room = await knownRoom(deps, roomId)
    const before = await deps.database.read((conn) => membershipIn(conn, deps, room, target))
    return before === 'ban' ? unban(deps, actor, about) : kick(deps, actor, about)
  }
  if (membership !== 'join' && membership !== 'knock')
    throw new MatrixError('M_BAD_JSON', 'The membership is not known')
  return undefined
}
