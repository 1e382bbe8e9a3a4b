import { LRUCache } from 'lru-cache'
import type { RoomEvent } from '../protocol/event.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { EventRow } from '../store/events.ts'
import { inForm } from './event-form.ts'
import type { EventForm } from './event-form.ts'
import { eventOfRow } from './events.ts'
import type { ReadOptions } from './read-options.ts'
import type { Room } from './room.ts'

/** Serialised events without their end, shared by all readers; the key names the event (by its id: it is one in all databases), the form and the moment of pruning. */
const fragments = new LRUCache<string, string>({ maxSize: 32_000_000, sizeCalculation: (text) => text.length + 100 })

/** An event without its closing brace, so that `unsigned` can follow. */
export function fragment(room: Room, row: EventRow, form: EventForm, options: ReadOptions): string {
  const withRoom = options.roomId !== false
  const isPdu = options.format === 'federation'
  const key = `${row.event_id} ${row.redacted_by ?? ''} ${row.pruned_ts ?? ''} ${form.name} ${withRoom ? 1 : 0}${isPdu ? 1 : 0}`
  const known = fragments.get(key)
  if (known !== undefined) return known
  const { event, content } = inForm(eventOfRow(room, row), form)
  const text = isPdu ? event.text.slice(0, -1) : clientText(event, content, withRoom)
  fragments.set(key, text)
  return text
}

/** The format of the client-server API ("Room event format"), without its end. */
function clientText(event: RoomEvent, content: JsonObject, withRoom: boolean): string {
  // Clients of rooms before version 11 look for `redacts` beside the content, those of later ones in it: both get both.
  const shown = event.redacts === undefined ? content : { ...content, redacts: event.redacts }
  let text = `{"content":${JSON.stringify(shown)},"event_id":${JSON.stringify(event.eventId)},"origin_server_ts":${event.originServerTs}`
  if (event.redacts !== undefined) text += `,"redacts":${JSON.stringify(event.redacts)}`
  if (withRoom) text += `,"room_id":${JSON.stringify(event.roomId)}`
  text += `,"sender":${JSON.stringify(event.sender)}`
  if (event.stateKey !== undefined) text += `,"state_key":${JSON.stringify(event.stateKey)}`
  return `${text},"type":${JSON.stringify(event.type)}`
}
