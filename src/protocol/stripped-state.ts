import type { RoomEvent } from './event.ts'
import { parseUserId } from './ids.ts'
import { isJsonObject, memberOf } from './json.ts'
import type { Json, JsonObject } from './json-types.ts'

/** The state events that tell somebody outside what a room is (client-server API, "Stripped state"), state key ''. */
export const strippedStateTypes = [
  'm.room.create',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.join_rules',
  'm.room.canonical_alias',
  'm.room.encryption',
] as const

/** A state event as somebody outside the room sees it. */
export interface StrippedState extends JsonObject {
  readonly type: string
  readonly state_key: string
  readonly sender: string
  readonly content: JsonObject
}

/** The stripped form of a state event. */
export function strippedState(event: RoomEvent): StrippedState {
  return { type: event.type, state_key: event.stateKey ?? '', sender: event.sender, content: event.content }
}

/**
 * The stripped form of what another server sent as a room's state (a whole PDU or already stripped), undefined where
 * it is no state event. Servers must not pass on to clients what they received as it is.
 */
export function parseStrippedState(received: Json): StrippedState | undefined {
  if (!isJsonObject(received)) return undefined
  const type = memberOf(received, 'type')
  const stateKey = memberOf(received, 'state_key')
  const sender = parseUserId(memberOf(received, 'sender'))
  const content = memberOf(received, 'content')
  if (typeof type !== 'string' || typeof stateKey !== 'string' || sender === undefined) return undefined
  return isJsonObject(content) ? { type, state_key: stateKey, sender, content } : undefined
}
