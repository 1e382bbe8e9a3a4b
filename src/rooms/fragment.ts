import type { RoomEvent } from '../protocol/event.ts'
import { sliceContent, sliceEvent } from '../protocol/event-slices.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { ReadRow } from '../store/read-rows.ts'
import { inOnePiece } from '../util/raw-json.ts'
import type { Caches } from './caches.ts'
import { inForm } from './event-form.ts'
import type { EventForm } from './event-form.ts'
import { eventOfRow } from './events.ts'
import type { ReadDeps, ReadOptions } from './read-options.ts'
import type { Room } from './room.ts'
import type { KnownRow } from './row-memory.ts'

/**
 * An event without its closing brace, so that `unsigned` can follow. That of a row in memory is kept with the row; else it
 * is kept where others read in the same moment (`shared`): the key names the event, the format, and of one that is not
 * whole the form and the moment of pruning. A page of history is read by one: making its texts costs less than keeping them.
 */
export function fragment(
  deps: Pick<ReadDeps, 'roomCache'>,
  room: Room,
  row: ReadRow,
  form: EventForm,
  options: ReadOptions,
): string {
  const withRoom = options.roomId !== false
  const isPdu = options.format === 'federation'
  const kind = (withRoom ? 1 : 0) + (isPdu ? 2 : 0)
  const isWhole = form.name === '' && row.redacted_by === null && row.pruned_ts === null
  const { texts }: KnownRow = row
  const { fragments, senders } = deps.roomCache.caches
  if (texts !== undefined && isWhole)
    return (texts[kind] ??= inOnePiece(make(senders, room, row, form, withRoom, isPdu)))
  if (options.shared === undefined) return make(senders, room, row, form, withRoom, isPdu)
  const number = row.event_nid * 4 + kind
  const key = isWhole ? number : `${number} ${row.redacted_by ?? ''} ${row.pruned_ts ?? ''} ${form.name}`
  const known = fragments.get(key)
  if (known !== undefined) return known
  const text = inOnePiece(make(senders, room, row, form, withRoom, isPdu))
  fragments.set(key, text)
  return text
}

type Senders = Caches['senders']

function make(senders: Senders, room: Room, row: ReadRow, form: EventForm, withRoom: boolean, isPdu: boolean): string {
  if (form.name === '' && isPdu) return row.json.slice(0, -1)
  // before Canonical JSON was strict, a stored number may be one that clients cannot read
  if (form.name === '' && room.version.strictCanonicalJson && row.type !== 'm.room.redaction')
    return row.state_key_nid === null ? messageText(senders, room, row, withRoom) : slicedText(room, row, withRoom)
  const { event, content } = inForm(eventOfRow(room, row), form)
  return isPdu ? event.text.slice(0, -1) : clientText(event, content, withRoom)
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

/** The same for a message that is shown as it is stored: what its row says need not be looked for in the text. */
function messageText(senders: Senders, room: Room, row: ReadRow, withRoom: boolean): string {
  let sender = senders.get(row.sender_nid)
  if (sender === undefined) senders.set(row.sender_nid, (sender = sliceEvent(row.json).sender as string))
  let text = opening(row, sliceContent(row.json), row.origin_server_ts)
  if (withRoom) text += `,"room_id":${JSON.stringify(room.id)}`
  return `${text},"sender":${sender},"type":${JSON.stringify(row.type)}`
}

/** The same for any event that is shown as it is stored, of pieces of the stored text. */
function slicedText(room: Room, row: ReadRow, withRoom: boolean): string {
  const { content, originServerTs, sender, stateKey, type } = sliceEvent(row.json)
  let text = opening(row, content, originServerTs)
  if (withRoom) text += `,"room_id":${JSON.stringify(room.id)}`
  text += `,"sender":${sender}`
  if (stateKey !== undefined) text += `,"state_key":${stateKey}`
  return `${text},"type":${type}`
}

// an event id of these room versions is a hash: nothing in it needs an escape
function opening(row: ReadRow, content: string | undefined, originServerTs: number | string | undefined): string {
  const shown = content?.startsWith('{') ? content : '{}'
  return `{"content":${shown},"event_id":"${row.event_id}","origin_server_ts":${originServerTs}`
}
