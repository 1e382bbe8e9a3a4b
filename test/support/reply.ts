import type { EventId, RoomId, UserId } from '../../src/protocol/ids.ts'
import type { JsonObject } from '../../src/protocol/json-types.ts'

/** An event as clients read it. */
export interface ReplyEvent {
  readonly event_id: EventId
  readonly type: string
  readonly sender: UserId
  readonly state_key?: string
  readonly room_id?: RoomId
  readonly content: JsonObject
  readonly unsigned: Unsigned
}

/** What a server adds to an event. */
export interface Unsigned {
  readonly transaction_id?: string
  readonly membership?: string
  readonly redacted_because?: unknown
  readonly prev_content?: unknown
  readonly age?: number
  readonly 'm.relations': Relations
}

interface Relations {
  readonly 'm.thread': { readonly count: number; readonly latest_event: ReplyEvent }
  readonly 'm.replace': ReplyEvent
  readonly 'm.reference': unknown
}

interface Events {
  readonly events: readonly ReplyEvent[]
}

/** How much of a room or a thread is unread. */
export interface UnreadCounts {
  readonly notification_count: number
  readonly highlight_count: number
}

/** A room in an answer of `/sync`. */
export interface SyncRoom {
  readonly state: Events
  readonly state_after: Events
  readonly 'org.matrix.msc4222.state_after': Events
  readonly timeline: Events & { readonly limited: boolean; readonly prev_batch: string }
  readonly ephemeral: Events
  readonly account_data: Events
  readonly invite_state: Events
  readonly knock_state: Events
  readonly summary: {
    readonly 'm.heroes': readonly string[]
    readonly 'm.joined_member_count': number
    readonly 'm.invited_member_count': number
  }
  readonly unread_notifications: UnreadCounts
  readonly unread_thread_notifications?: { readonly [rootId: string]: UnreadCounts }
}

interface PushRule {
  readonly rule_id: string
}

type PushRules = { readonly [kind in 'override' | 'content' | 'underride']: readonly PushRule[] }

/** The memberships by which `/sync` sorts rooms. */
export type SyncSection = 'join' | 'invite' | 'knock' | 'leave'

/**
 * The body of an answer, by the names that the specification gives: what an endpoint answers of it is for the test to
 * know, and a name that is missing shows where it is used.
 */
export interface Reply {
  readonly errcode: string
  readonly error: string
  readonly user_id: UserId
  readonly access_token: string
  readonly refresh_token: string
  readonly login_token: string
  readonly device_id: string
  readonly devices: readonly { readonly device_id: string; readonly last_seen_ip?: string }[]
  readonly last_seen_ts: number
  readonly nonce: string
  readonly session: string
  readonly global: PushRules
  readonly content: readonly PushRule[]
  readonly users: { readonly [userId: string]: number }
  readonly capabilities: { readonly [name: string]: unknown }
  readonly room_id: RoomId
  readonly event_id: EventId
  readonly replacement_room: RoomId
  readonly content_uri: string
  readonly next_batch: string
  readonly rooms: { readonly [section in SyncSection]: { readonly [roomId: string]: SyncRoom } }
  readonly account_data: Events
  readonly filter_id: string
  readonly start: string
  readonly end: string
  readonly chunk: readonly ReplyEvent[]
  readonly events_after: readonly ReplyEvent[]
  readonly unsigned: Unsigned
  readonly joined: { readonly [userId: string]: unknown }
  readonly tags: { readonly [name: string]: unknown }
  readonly [name: string]: unknown
}

/** A room of an answer of `/sync`; throws where the answer does not tell of it. */
export function roomOf(answer: Reply, roomId: string, section: SyncSection = 'join'): SyncRoom {
  const room = answer.rooms[section][roomId]
  if (room === undefined) throw new Error(`the answer has no ${roomId} in ${section}`)
  return room
}
