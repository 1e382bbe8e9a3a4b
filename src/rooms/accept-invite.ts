import { MatrixError } from '../protocol/errors.ts'
import { isRefusal } from '../protocol/event-refusal.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { RoomId } from '../protocol/ids.ts'
import { parseUserId, serverNameOf } from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { parseEvent } from '../protocol/parse-event.ts'
import type { RoomVersion } from '../protocol/room-version.ts'
import { findRoomVersion } from '../protocol/room-version.ts'
import { cosignEvent } from '../protocol/sign.ts'
import { strippedState } from '../protocol/stripped-state.ts'
import { isAllowedByAcl } from './checks/server-acl.ts'
import type { RoomsDeps } from './deps.ts'
import type { Handed } from './handshake.ts'
import { checkHanded } from './handshake.ts'
import { assertInvitable } from './invitee.ts'
import { membershipIn } from './member-append.ts'
import { putOutOfBand } from './out-of-band.ts'
import { readStripped } from './received-state.ts'
import { isResident } from './resident.ts'

/** An invite for a user of ours. */
export interface HandedInvite extends Handed {
  readonly roomVersion: string
  readonly inviteRoomState: readonly Json[]
}

const mostState = 100

/**
 * Takes an invite that another server sends to a user of ours (server-server API, `invite`); gives the event with our
 * signature added and nothing else changed. Throws `M_INCOMPATIBLE_ROOM_VERSION`, `M_INVALID_PARAM`, `M_FORBIDDEN`,
 * `M_INVITE_BLOCKED`, and `M_NOT_FOUND` for users that do not exist, have been deactivated or erased.
 */
export async function acceptInvite(deps: RoomsDeps, handed: HandedInvite): Promise<JsonObject> {
  const { roomId, roomVersion } = handed
  const version = findRoomVersion(roomVersion)
  if (version === undefined)
    throw new MatrixError('M_INCOMPATIBLE_ROOM_VERSION', 'This server does not know the room version', {
      room_version: roomVersion,
    })
  const event = await checkHanded(deps, version, handed, 'invite')
  // outside of a room nothing else looks at the other signatures that it needs, and at the time of their keys
  const refusal = await deps.keyRing.verifyEvent(event)
  if (refusal !== undefined) throw new MatrixError('M_INVALID_PARAM', `The event cannot be verified: ${refusal}`)
  const userId = parseUserId(event.stateKey)
  if (userId === undefined || serverNameOf(userId) !== deps.serverName)
    throw new MatrixError('M_INVALID_PARAM', 'The user invited is not of this server')
  const state = handed.inviteRoomState.slice(0, mostState)
  if (version.roomIdIsCreateHash) assertHasCreateEvent(version, roomId, state)
  const isFollowed = await deps.database.read(async (conn) => {
    await assertInvitable(conn, userId)
    const room = await deps.roomCache.find(conn, roomId)
    if (room === undefined || !(await isResident(conn, room))) return false
    if (room.version !== version) throw new MatrixError('M_INVALID_PARAM', 'The room has another version')
    if (!(await isAllowedByAcl(deps, conn, room, handed.origin)))
      throw new MatrixError('M_FORBIDDEN', 'Your server is denied by the ACL of the room')
    const membership = await membershipIn(conn, deps, room, userId)
    if (membership === 'join' || membership === 'ban')
      throw new MatrixError('M_FORBIDDEN', 'The user cannot be invited to this room')
    return true
  })
  // in a room that this server is in, the invite comes once more, as an event of the room
  if (!isFollowed) await noteInvite(deps, version, event, state)
  return cosignEvent(version, event.pdu, deps.serverName, deps.signingKey)
}

async function noteInvite(
  deps: RoomsDeps,
  version: RoomVersion,
  event: RoomEvent,
  state: readonly Json[],
): Promise<void> {
  const { roomId, sender, stateKey } = event
  const userId = parseUserId(stateKey)
  if (userId === undefined) return
  const stripped = [...readStripped(state), strippedState(event)]
  await deps.database.write(async (tx) => {
    await assertInvitable(tx, userId)
    await putOutOfBand(tx, deps, { roomId, version, userId, sender, membership: 'invite', stripped })
  })
}

/**
 * From version 12 the create event proves the id of the room. NOTSPEC: the other entries are not verified, because
 * servers still send them stripped; clients see them as what the inviter says.
 */
function assertHasCreateEvent(version: RoomVersion, roomId: RoomId, state: readonly Json[]): void {
  const create = state.filter(isJsonObject).find((entry) => memberOf(entry, 'type') === 'm.room.create')
  const event = create && parseEvent(version, create)
  if (event === undefined || isRefusal(event) || event.roomId !== roomId || event.stateKey !== '')
    throw new MatrixError('M_INVALID_PARAM', 'invite_room_state lacks the create event of the room')
}
