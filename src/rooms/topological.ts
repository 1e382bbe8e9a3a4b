import type { RoomEvent } from '../protocol/event.ts'
import type { EventId } from '../protocol/ids.ts'
import { Heap } from '../protocol/state-resolution/heap.ts'

/**
 * Events so that each comes after those of the same list that it names, and otherwise in the order of the list: what a
 * server sends first was first for it. What is part of a cycle is left out, for no event can name one that names it.
 * Never recurses.
 */
export function inOrder(events: readonly RoomEvent[], edgesOf: (event: RoomEvent) => readonly EventId[]): RoomEvent[] {
  const byId = new Map(events.map((event) => [event.eventId, event]))
  const list = [...byId.values()]
  const place = new Map(list.map(({ eventId }, i) => [eventId, i]))
  const waitsFor: number[] = []
  const namedBy = list.map((): number[] => [])
  const ready = new Heap<number>((a, b) => a < b)
  for (const [i, event] of list.entries()) {
    const inside = new Set(edgesOf(event).flatMap((eventId) => place.get(eventId) ?? []))
    waitsFor.push(inside.size)
    for (const named of inside) namedBy[named]?.push(i)
    if (inside.size === 0) ready.push(i)
  }
  const ordered: RoomEvent[] = []
  for (let i = ready.pop(); i !== undefined; i = ready.pop()) {
    ordered.push(list[i] as RoomEvent)
    for (const waiting of namedBy[i] ?? []) {
      const left = (waitsFor[waiting] as number) - 1
      waitsFor[waiting] = left
      if (left === 0) ready.push(waiting)
    }
  }
  return ordered
}

/** The events that an event names, as predecessors or for its authorization. */
export function allEdges(event: RoomEvent): readonly EventId[] {
  return [...event.prevEventIds, ...event.authEventIds]
}
