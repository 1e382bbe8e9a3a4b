import type { RoomEvent } from '../protocol/event.ts'
import type { EventId } from '../protocol/ids.ts'
import { parseEventId } from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import type { MediaRef } from './deps.ts'

/** What an event relates to. */
export interface Relation {
  readonly relType: string
  readonly parent: EventId
  /** `key` of an annotation */
  readonly key: string | null
}

const longestKeyBytes = 1024

/** The relation in an event's content, undefined where there is none that counts (client-server API, "Forming relationships"). */
export function relationOf(content: JsonObject): Relation | undefined {
  const relatesTo = memberOf(content, 'm.relates_to')
  if (!isJsonObject(relatesTo)) return undefined
  const relType = memberOf(relatesTo, 'rel_type')
  const parent = parseEventId(memberOf(relatesTo, 'event_id'))
  if (typeof relType !== 'string' || parent === undefined || relType.length > 255) return undefined
  const key = memberOf(relatesTo, 'key')
  return { relType, parent, key: typeof key === 'string' && key.length <= longestKeyBytes ? key : null }
}

const mostMedia = 50

/** The files that an event's content names: every string that is an `mxc:` URI, at most 50. Never recurses. */
export function mediaOf(content: JsonObject): MediaRef[] {
  const found = new Map<string, MediaRef>()
  const rest: Json[] = [content]
  for (let value = rest.pop(); value !== undefined && found.size < mostMedia; value = rest.pop()) {
    if (typeof value === 'string') {
      const media = parseMxc(value)
      if (media !== undefined) found.set(value, media)
    } else if (Array.isArray(value)) for (const item of value as readonly Json[]) rest.push(item)
    else if (isJsonObject(value)) for (const item of Object.values(value)) rest.push(item)
  }
  return [...found.values()]
}

const mxc = /^mxc:\/\/([^/?#]{1,255})\/([A-Za-z0-9_-]{1,255})$/

/** The file behind a content URI, undefined where the text is none (appendices; content repository, "Matrix Content URIs"). */
export function parseMxc(uri: string): MediaRef | undefined {
  const match = uri.startsWith('mxc://') ? mxc.exec(uri) : null
  return match === null ? undefined : { origin: match[1] as string, mediaId: match[2] as string }
}

/** Whether an event notifies everybody in the room by the predefined push rules (client-server API, "Predefined Rules"). */
export function notifiesByDefault(event: RoomEvent): boolean {
  const { type, stateKey, content } = event
  if (stateKey !== undefined) return false
  if (relationOf(content)?.relType === 'm.replace') return false
  if (type === 'm.room.message') return content.msgtype !== 'm.notice'
  return type === 'm.room.encrypted' || type === 'm.call.invite'
}

const bumping = new Set([
  'm.room.create',
  'm.room.message',
  'm.room.encrypted',
  'm.sticker',
  'm.call.invite',
  'm.poll.start',
  'm.beacon_info',
])

/** Whether an event moves its room up in a list. */
export function movesRoomUp(event: RoomEvent): boolean {
  return bumping.has(event.type)
}
