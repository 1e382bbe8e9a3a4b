import { MatrixError } from '../protocol/errors.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { EventId, UserId } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { strippedStateTypes } from '../protocol/stripped-state.ts'
import type { Conn } from '../store/database.ts'
import type { Actor } from './actor.ts'
import { adoptSignatures } from './adopt-signatures.ts'
import { buildEvent } from './build.ts'
import type { RoomsDeps } from './deps.ts'
import { judgeAndAppend } from './live.ts'
import type { MemberExtras } from './member-content.ts'
import { memberContent } from './member-content.ts'
import type { Room } from './room.ts'
import { assertMaySend } from './sender.ts'
import { writeInRoom } from './write-in-room.ts'

/**
 * Invites a user of another server: the event is built here, signed by that server too, and only then part of the room
 * (server-server API, "Inviting to a room"). No lock is held while the other server is asked. Throws `M_FORBIDDEN`,
 * `M_UNSUPPORTED_ROOM_VERSION`, what else the other server answered, and 502 or 504.
 */
export async function inviteRemotely(
  deps: RoomsDeps,
  { userId, userNid }: Pick<Actor, 'userId' | 'userNid'>,
  room: Room,
  target: UserId,
  extras: MemberExtras,
): Promise<EventId> {
  const { event, state } = await deps.database.read(async (conn) => {
    const current = await deps.roomCache.get(conn, room.id)
    const content = await memberContent(conn, deps, target, 'invite', extras)
    const built = await buildEvent(conn, deps, current, {
      type: 'm.room.member',
      stateKey: target,
      content,
      sender: userId,
    })
    return { event: built.event, state: await inviteState(conn, deps, current) }
  })
  const server = serverNameOf(target)
  const body = { roomVersion: room.version.id, event: event.pdu, inviteRoomState: state.map(({ pdu }) => pdu) }
  const returned: JsonObject = await deps.federation.invite(server, room.id, event.eventId, body).catch(throwForInviter)
  const signed = await adoptSignatures(deps, event, returned, server)
  return writeInRoom(deps, room, [userNid], async (tx, current) => {
    await assertMaySend(tx, deps, userId, false)
    // the room may have moved meanwhile: judged like any event that is not the newest
    const { verdict } = await judgeAndAppend(tx, deps, current, { event: signed, arrival: 'live', isForwarded: true })
    if (verdict.verdict !== 'accepted' && verdict.verdict !== 'duplicate')
      throw new MatrixError('M_FORBIDDEN', verdict.error ?? 'The invite is not allowed')
    return signed.eventId
  })
}

/** Between servers a room version has another error code than for whoever invites (client-server API, `/invite`). */
function throwForInviter(error: unknown): never {
  if (error instanceof MatrixError && error.errcode === 'M_INCOMPATIBLE_ROOM_VERSION')
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', "The user's server does not support the version of this room")
  throw error
}

/** The state that tells somebody outside what the room is, as whole events; the create event is always among them. */
export async function inviteState(conn: Conn, deps: Pick<RoomsDeps, 'roomCache'>, room: Room): Promise<RoomEvent[]> {
  const keys = strippedStateTypes.map((type) => ({ type, stateKey: '' }))
  return (await deps.roomCache.stateEvents(conn, room, keys)).filter((event) => event !== undefined)
}
