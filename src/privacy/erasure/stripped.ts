import type { UserId } from '../../protocol/ids.ts'
import { isJsonObject } from '../../protocol/json.ts'
import type { Json, JsonObject } from '../../protocol/json-types.ts'

/** What the stripped state of somebody else's invite or knock may say of an erased person: no name, no picture, no reason. */
export function withoutPerson(strippedState: string, userId: UserId): string {
  const events = JSON.parse(strippedState) as Json
  if (!Array.isArray(events)) return strippedState
  return JSON.stringify(events.map((event) => (isAbout(event, userId) ? bare(event) : event)))
}

function isAbout(event: Json, userId: UserId): event is JsonObject {
  return (
    isJsonObject(event) && event.type === 'm.room.member' && (event.sender === userId || event.state_key === userId)
  )
}

function bare(event: JsonObject): JsonObject {
  const { content } = event
  if (!isJsonObject(content)) return event
  const { membership } = content
  return { ...event, content: membership === undefined ? {} : { membership } }
}
