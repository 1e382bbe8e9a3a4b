import { checkAuth } from '../protocol/auth/check.ts'
import { canonicalJson } from '../protocol/canonical-json.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { RoomId, ServerName, UserId } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { makeEvent } from '../protocol/make-event.ts'
import type { Conn } from '../store/database.ts'
import { findAuthoriser, meetsCondition, needsAuthoriser } from './authoriser.ts'
import { planEvent } from './build.ts'
import { isAllowedByAcl } from './checks/server-acl.ts'
import type { RoomsDeps } from './deps.ts'
import { isResident } from './resident.ts'
import type { Room } from './room.ts'

/** What another server wants to do for a user of its own. */
export interface TemplateRequest {
  readonly origin: ServerName
  readonly roomId: RoomId
  readonly userId: UserId
  readonly membership: 'join' | 'leave' | 'knock'
  /** room versions that the server knows; undefined where it was not asked */
  readonly versions?: readonly string[] | undefined
}

/**
 * The answer to `make_join`, `make_leave` and `make_knock` (server-server API): an event that would be allowed now, with
 * no signature of ours. Throws `M_FORBIDDEN`, `M_NOT_FOUND`, `M_INCOMPATIBLE_ROOM_VERSION`,
 * `M_UNABLE_TO_AUTHORISE_JOIN`, `M_UNABLE_TO_GRANT_JOIN`.
 */
export async function makeTemplate(deps: RoomsDeps, request: TemplateRequest): Promise<JsonObject> {
  const { origin, roomId, userId, membership, versions } = request
  if (serverNameOf(userId) !== origin) throw new MatrixError('M_FORBIDDEN', 'The user is not of your server')
  return deps.database.read(async (conn) => {
    const room = await openRoom(conn, deps, roomId, origin)
    const { version } = room
    if (versions !== undefined && !versions.includes(version.id))
      throw new MatrixError('M_INCOMPATIBLE_ROOM_VERSION', 'Your server does not know the version of this room', {
        room_version: version.id,
      })
    const content = { membership, ...(membership === 'join' ? await authorisation(conn, deps, room, userId) : {}) }
    const draft = { type: 'm.room.member', stateKey: userId, content, sender: userId }
    const { fields, state } = await planEvent(conn, deps, room, draft)
    const event = makeEvent(version, '$template', roomId, fields, canonicalJson(fields))
    const refusal = checkAuth(event, state)
    if (refusal !== undefined) throw new MatrixError('M_FORBIDDEN', refusal)
    const { event_id: _eventId, ...template } = fields
    return { room_version: version.id, event: { ...template, origin: deps.serverName } }
  })
}

/**
 * A room that this server is in, for a server that the room's ACL lets in. Throws `M_NOT_FOUND` and `M_FORBIDDEN`
 * (server-server API, "Server Access Control Lists").
 */
export async function openRoom(
  conn: Conn,
  deps: Pick<RoomsDeps, 'roomCache'>,
  roomId: RoomId,
  origin: ServerName,
): Promise<Room> {
  const room = await deps.roomCache.find(conn, roomId)
  if (room === undefined || !(await isResident(conn, room)))
    throw new MatrixError('M_NOT_FOUND', 'This server is not in the room')
  if (!(await isAllowedByAcl(deps, conn, room, origin)))
    throw new MatrixError('M_FORBIDDEN', 'Your server is denied by the ACL of the room')
  return room
}

/** Who lets a user into a restricted room, as part of the content of their join; nothing where nobody needs to. */
async function authorisation(conn: Conn, deps: RoomsDeps, room: Room, userId: UserId): Promise<JsonObject> {
  if (!(await needsAuthoriser(conn, deps, room, userId))) return {}
  await assertMeetsCondition(conn, deps, room, userId)
  const authoriser = await findAuthoriser(conn, deps, room)
  if (authoriser === undefined)
    throw new MatrixError('M_UNABLE_TO_GRANT_JOIN', 'Nobody on this server can let the user in')
  return { join_authorised_via_users_server: authoriser }
}

/** Throws `M_FORBIDDEN`, or `M_UNABLE_TO_AUTHORISE_JOIN` where this server cannot tell. */
export async function assertMeetsCondition(
  conn: Conn,
  deps: Pick<RoomsDeps, 'roomCache'>,
  room: Room,
  userId: UserId,
): Promise<void> {
  const verdict = await meetsCondition(conn, deps, room, userId)
  if (verdict === 'no')
    throw new MatrixError('M_FORBIDDEN', 'The user is in none of the rooms whose members may join this one')
  if (verdict === 'unknown')
    throw new MatrixError(
      'M_UNABLE_TO_AUTHORISE_JOIN',
      'This server cannot see the rooms whose members may join this one',
    )
}
