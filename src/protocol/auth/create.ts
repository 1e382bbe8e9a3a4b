import type { RoomEvent } from '../event.ts'
import { parseUserId, serverNameOf } from '../ids.ts'
import { roomVersions } from '../room-version.ts'
import type { Refusal } from './state.ts'

/** `m.room.create`, authorization rule 1. */
export function checkCreate(event: RoomEvent): Refusal {
  const { version, content } = event
  // 1.1
  if (event.prevEventIds.length > 0) return 'a create event with previous events'
  // 1.2
  if (version.roomIdIsCreateHash) {
    if (Object.hasOwn(event.pdu, 'room_id')) return 'a create event with a room id'
  } else if (serverNameOf(event.roomId) !== serverNameOf(event.sender))
    return 'the room id is of another server than the sender'
  // 1.3
  if (Object.hasOwn(content, 'room_version')) {
    const id = content.room_version
    if (typeof id !== 'string' || !roomVersions.has(id)) return 'the room version is not known'
  }
  // 1.4, versions 1–10
  if (!version.creatorIsSender && !Object.hasOwn(content, 'creator')) return 'a create event without a creator'
  // 1.4, version 12
  if (version.privilegedCreators && Object.hasOwn(content, 'additional_creators')) {
    const creators = content.additional_creators
    if (!Array.isArray(creators) || creators.some((id) => parseUserId(id) === undefined))
      return 'additional_creators is not a list of user ids'
  }
  return undefined
}
