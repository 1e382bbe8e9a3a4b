import type { RoomEvent } from '../protocol/event.ts'
import type { EventId } from '../protocol/ids.ts'
import { eventFromStored } from '../protocol/parse-event.ts'
import type { Conn } from '../store/database.ts'
import type { EventRow } from '../store/events.ts'
import { listEventTexts, listEventsByIds } from '../store/events.ts'
import type { Room } from './room.ts'
import type { Caches } from './caches.ts'
import { remember } from './caches.ts'

/** What `loadEvents` needs of a room. */
export type RoomKey = Pick<Room, 'id' | 'version'>

/** A stored row as an event. */
export function eventOfRow(room: RoomKey, row: Pick<EventRow, 'event_id' | 'json'>): RoomEvent {
  return eventFromStored(room.version, row.event_id as EventId, room.id, row.json)
}

/** Events of one room by row id; those that are not stored are missing. Kept in memory, so only for the engine's own use. */
export async function loadEvents(
  deps: { readonly roomCache: { readonly caches: Caches } },
  conn: Conn,
  room: RoomKey,
  eventNids: Iterable<number>,
): Promise<Map<number, RoomEvent>> {
  const { caches } = deps.roomCache
  const found = new Map<number, RoomEvent>()
  const missing: number[] = []
  for (const nid of new Set(eventNids)) {
    const known = caches.events.get(nid)
    if (known === undefined) missing.push(nid)
    else found.set(nid, known)
  }
  if (missing.length === 0) return found
  for (const row of await listEventTexts(conn, missing)) {
    const event = eventOfRow(room, row)
    found.set(row.event_nid, event)
    remember(conn, () => caches.events.set(row.event_nid, event))
  }
  return found
}

/** Events of one room by event id, with their rows; those that are not stored, or of another room, are missing. */
export async function loadEventsByIds(
  conn: Conn,
  room: RoomKey & Pick<Room, 'nid'>,
  eventIds: readonly EventId[],
): Promise<Map<EventId, { readonly row: EventRow; readonly event: RoomEvent }>> {
  const rows = await listEventsByIds(conn, eventIds)
  return new Map(
    rows
      .filter((row) => row.room_nid === room.nid)
      .map((row) => [row.event_id as EventId, { row, event: eventOfRow(room, row) }]),
  )
}
