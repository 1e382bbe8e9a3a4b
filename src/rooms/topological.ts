import type { RoomEvent } from '../protocol/event.ts'
import type { EventId } from '../protocol/ids.ts'

/**
 * Events so that each comes after those of the same list that it names; what is part of a cycle is left out, for no
 * event can name one that names it. Never recurses.
 */
export function inOrder(events: readonly RoomEvent[], edgesOf: (event: RoomEvent) => readonly EventId[]): RoomEvent[] {
  const byId = new Map(events.map((event) => [event.eventId, event]))
  const waitsFor = new Map<EventId, number>()
  const namedBy = new Map<EventId, EventId[]>()
  for (const event of byId.values()) {
    const inside = new Set(edgesOf(event).filter((eventId) => byId.has(eventId)))
    waitsFor.set(event.eventId, inside.size)
    for (const eventId of inside) {
      const list = namedBy.get(eventId)
      if (list === undefined) namedBy.set(eventId, [event.eventId])
      else list.push(event.eventId)
    }
  }
  const ordered: RoomEvent[] = []
  for (const event of byId.values()) if (waitsFor.get(event.eventId) === 0) ordered.push(event)
  for (let i = 0; i < ordered.length; i++)
    for (const waiting of namedBy.get((ordered[i] as RoomEvent).eventId) ?? []) {
      const left = (waitsFor.get(waiting) ?? 0) - 1
      waitsFor.set(waiting, left)
      if (left === 0) ordered.push(byId.get(waiting) as RoomEvent)
    }
  return ordered
}

/** The events that an event names, as predecessors or for its authorization. */
export function allEdges(event: RoomEvent): readonly EventId[] {
  return [...event.prevEventIds, ...event.authEventIds]
}
