import { EventRefusal } from '../../../src/protocol/event-refusal.ts'
import type { RoomEvent } from '../../../src/protocol/event.ts'
import type { ServerName } from '../../../src/protocol/ids.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { findRoomVersion, roomVersions, type RoomVersion } from '../../../src/protocol/room-version.ts'
import { signingKeyFromSeed } from '../../../src/protocol/sign.ts'

export const server = 'domain' as ServerName
/** The signing key of the specification's test vectors. */
export const seed = Buffer.from('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1', 'base64')
export const key = signingKeyFromSeed('ed25519:1', seed)
export const allVersions = [...roomVersions.values()]
export const hashId = '$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg'

export function versionOf(id: string): RoomVersion {
  const version = findRoomVersion(id)
  if (version === undefined) throw new Error(`no room version ${id}`)
  return version
}

/** The fields of a message that any room version accepts, before it is sealed. */
export function messageFields(version: RoomVersion, more: JsonObject = {}): JsonObject {
  const references = version.eventIdFormat === 'origin' ? [['$p:domain', { sha256: 'AAAA' }]] : [hashId]
  return {
    type: 'm.room.message',
    room_id: version.roomIdIsCreateHash ? `!${hashId.slice(1)}` : '!room:domain',
    sender: '@alice:domain',
    content: { body: 'hello', msgtype: 'm.text' },
    origin_server_ts: 1_700_000_000_000,
    depth: 7,
    prev_events: references,
    auth_events: references,
    ...(version.eventIdFormat === 'origin' ? { event_id: '$e:domain' } : {}),
    ...more,
  }
}

/** The event, where it is one. */
export function accepted(result: RoomEvent | EventRefusal): RoomEvent {
  if (result instanceof EventRefusal) throw new Error(`refused: ${result.reason}`)
  return result
}

/** Why it is none, where it is none. */
export function refusal(result: RoomEvent | EventRefusal): string | undefined {
  return result instanceof EventRefusal ? result.reason : undefined
}
