import type { EventFilter, RoomChoice, RoomEventFilter } from './filter.ts'
import { globMatches } from './glob.ts'
import type { JsonObject } from './json-types.ts'

/** What filters look at of an event. */
export interface FilteredEvent {
  readonly type: string
  /** Undefined for account data, which nobody sends: filters on senders do not concern it. */
  readonly sender?: string | undefined
  readonly content: JsonObject
}

/** Does the filter let a room through? */
export function matchesRoom(choice: RoomChoice, roomId: string): boolean {
  return !choice.notRooms.has(roomId) && (choice.rooms?.has(roomId) ?? true)
}

/** Does the filter let an event of this type through? Exclusion wins over inclusion. */
export function matchesType(filter: EventFilter, type: string): boolean {
  if (filter.notTypes.some((glob) => matchesTypeGlob(glob, type))) return false
  return filter.types?.some((glob) => matchesTypeGlob(glob, type)) ?? true
}

/** Does the filter let an event of this sender through? */
export function matchesSender(filter: EventFilter, sender: string): boolean {
  return !filter.notSenders.has(sender) && (filter.senders?.has(sender) ?? true)
}

/** Does the filter let an event through that is not in a room: presence, account data? (client-server API, `EventFilter`) */
export function matchesEvent(filter: EventFilter, event: FilteredEvent): boolean {
  return matchesType(filter, event.type) && (event.sender === undefined || matchesSender(filter, event.sender))
}

/** Does the filter let an event of a room through, relations aside? (client-server API, `RoomEventFilter`) */
export function matchesRoomEvent(filter: RoomEventFilter, roomId: string, event: FilteredEvent): boolean {
  if (!matchesRoom(filter, roomId) || !matchesEvent(filter, event)) return false
  return filter.containsUrl === undefined || filter.containsUrl === Object.hasOwn(event.content, 'url')
}

/** How many events to give: what the filter asks for, or `normal`, but never more than `most`. */
export function limitOf(filter: EventFilter, normal: number, most: number): number {
  return Math.min(filter.limit ?? normal, most)
}

/** In types `?` is a character like any other: only `*` is a wildcard there. */
function matchesTypeGlob(glob: string, type: string): boolean {
  if (!glob.includes('*')) return glob === type
  if (!glob.includes('?')) return globMatches(glob, type)
  const parts = glob.split('*')
  const [first = '', last = ''] = [parts.shift(), parts.pop()]
  if (type.length < first.length + last.length || !type.startsWith(first) || !type.endsWith(last)) return false
  let at = first.length
  for (const part of parts) {
    const found = type.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return at <= type.length - last.length
}
