import {
  parseEventId,
  parseRoomId,
  parseUserId,
  serverNameOf,
  type EventId,
  type RoomId,
  type ServerName,
  type UserId,
} from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'

/** An EDU as it came in. */
export interface Edu {
  readonly type: string
  readonly content: JsonObject
}

/** How far a remote user has read. */
export interface RemoteReceipt {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly eventId: EventId
  /** `main`, a thread's root, or undefined for an unthreaded receipt */
  readonly threadId: string | undefined
  readonly ts: number
}

/** Whether a remote user is typing. */
export interface RemoteTyping {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly isTyping: boolean
}

const mostReceipts = 500
const longestThreadId = 255

/** An EDU, or undefined where it is none. */
export function parseEdu(value: Json): Edu | undefined {
  if (!isJsonObject(value)) return undefined
  const type = memberOf(value, 'edu_type')
  const content = memberOf(value, 'content')
  return typeof type === 'string' && isJsonObject(content) ? { type, content } : undefined
}

/** The read receipts of an `m.receipt` (server-server API, "Receipts"): only of users of the server that sends it. */
export function parseReceipts(content: JsonObject, origin: ServerName): RemoteReceipt[] {
  const receipts: RemoteReceipt[] = []
  for (const [room, byType] of Object.entries(content)) {
    const roomId = parseRoomId(room)
    // Private ones are nobody else's business, and other types mean nothing.
    const byUser = isJsonObject(byType) ? memberOf(byType, 'm.read') : undefined
    if (roomId === undefined || !isJsonObject(byUser)) continue
    for (const [user, receipt] of Object.entries(byUser)) {
      if (receipts.length >= mostReceipts) return receipts
      const userId = ownUser(user, origin)
      const parsed = userId === undefined ? undefined : parseReceipt(roomId, userId, receipt)
      if (parsed !== undefined) receipts.push(parsed)
    }
  }
  return receipts
}

function parseReceipt(roomId: RoomId, userId: UserId, receipt: Json): RemoteReceipt | undefined {
  if (!isJsonObject(receipt)) return undefined
  const eventIds = memberOf(receipt, 'event_ids')
  const eventId = parseEventId(Array.isArray(eventIds) ? (eventIds as readonly Json[])[0] : undefined)
  const data = memberOf(receipt, 'data')
  const ts = isJsonObject(data) ? memberOf(data, 'ts') : undefined
  const threadId = isJsonObject(data) ? memberOf(data, 'thread_id') : undefined
  if (eventId === undefined || (threadId !== undefined && !isThreadId(threadId))) return undefined
  return {
    roomId,
    userId,
    eventId,
    threadId,
    ts: typeof ts === 'number' && Number.isSafeInteger(ts) && ts >= 0 ? ts : 0,
  }
}

/** An `m.typing` (server-server API, "Typing Notifications"), undefined where it is of another server's user. */
export function parseTyping(content: JsonObject, origin: ServerName): RemoteTyping | undefined {
  const roomId = parseRoomId(memberOf(content, 'room_id'))
  const userId = ownUser(memberOf(content, 'user_id'), origin)
  if (roomId === undefined || userId === undefined) return undefined
  return { roomId, userId, isTyping: memberOf(content, 'typing') === true }
}

function ownUser(value: unknown, origin: ServerName): UserId | undefined {
  const userId = parseUserId(value)
  return userId !== undefined && serverNameOf(userId) === origin ? userId : undefined
}

function isThreadId(value: Json): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longestThreadId
}
