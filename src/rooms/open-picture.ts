import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { RoomId } from '../protocol/ids.ts'
import { parseRoomId } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import type { EventRow } from '../store/events.ts'
import { findMembership, hasGuestOfServer } from '../store/memberships.ts'
import { findRoom } from '../store/rooms.ts'
import type { RoomsDeps } from './deps.ts'
import { eventOfRow } from './events.ts'
import type { Room } from './room.ts'

type Deps = Pick<RoomsDeps, 'roomCache'>
type Reader = { readonly userNid: number; readonly isRemote: boolean } | { readonly serverNid: number }

/**
 * Is this event shown outside of its room's history: the picture that a room has now, to those who may join it, are
 * invited, or find it in the directory; and the picture of a person of another server, whose profile anybody may ask for?
 */
export async function isOpenPicture(
  deps: Deps,
  conn: Conn,
  room: Room,
  row: EventRow,
  reader: Reader,
): Promise<boolean> {
  if (row.state_key_nid === null || (row.type !== 'm.room.avatar' && row.type !== 'm.room.member')) return false
  const event = eventOfRow(room, row)
  const current = await deps.roomCache.stateEvent(conn, room, event.type, event.stateKey ?? '')
  if (current?.eventId !== event.eventId) return false
  if (event.type === 'm.room.member')
    return 'isRemote' in reader && reader.isRemote && event.content.membership === 'join'
  if ((await findRoom(conn, room.nid))?.published === true) return true
  const rules = (await deps.roomCache.stateEvent(conn, room, 'm.room.join_rules', ''))?.content
  const joinRule = rules === undefined ? 'invite' : memberOf(rules, 'join_rule')
  if (joinRule === 'public' || joinRule === 'knock' || joinRule === 'knock_restricted') return true
  if ('serverNid' in reader) return hasGuestOfServer(conn, room.nid, reader.serverNid)
  const membership = (await findMembership(conn, reader.userNid, room.nid))?.membership
  if (membership === 'invite' || membership === 'knock') return true
  if (joinRule !== 'restricted' || rules === undefined) return false
  for (const roomId of allowedRooms(memberOf(rules, 'allow'))) {
    const space = await deps.roomCache.find(conn, roomId)
    if (space !== undefined && (await findMembership(conn, reader.userNid, space.nid))?.membership === 'join')
      return true
  }
  return false
}

const mostSpaces = 20

function allowedRooms(allow: unknown): RoomId[] {
  if (!Array.isArray(allow)) return []
  return (allow as readonly unknown[])
    .slice(0, mostSpaces)
    .flatMap((rule) => (isJsonObject(rule) ? (parseRoomId(memberOf(rule, 'room_id')) ?? []) : []))
}
