import { MatrixError } from './errors.ts'
import { parseRoomId, parseUserId } from './ids.ts'
import { isJsonObject, memberOf } from './json.ts'
import type { Json, JsonObject } from './json-types.ts'
import { parsePropertyPath } from './property-path.ts'

/** Which rooms are meant: undefined is all. */
export interface RoomChoice {
  readonly rooms?: ReadonlySet<string> | undefined
  readonly notRooms: ReadonlySet<string>
}

/** Which events are meant (client-server API, `EventFilter`). Lists that are undefined let everything through. */
export interface EventFilter {
  /** As asked for, at least 1; see `limitOf`. */
  readonly limit?: number | undefined
  /** Types, `*` standing for any characters. */
  readonly types?: readonly string[] | undefined
  readonly notTypes: readonly string[]
  readonly senders?: ReadonlySet<string> | undefined
  readonly notSenders: ReadonlySet<string>
}

/** Which events of rooms are meant (client-server API, `RoomEventFilter`). */
export interface RoomEventFilter extends EventFilter, RoomChoice {
  readonly containsUrl?: boolean | undefined
  readonly lazyLoadMembers: boolean
  readonly includeRedundantMembers: boolean
  readonly unreadThreadNotifications: boolean
  /** Only events that an event of one of these senders, or of these relation types, relates to; for the caller to look up. */
  readonly relatedBySenders?: ReadonlySet<string> | undefined
  readonly relatedByRelTypes?: ReadonlySet<string> | undefined
}

/** Which rooms, and what of them. */
export interface RoomFilter extends RoomChoice {
  readonly includeLeave: boolean
  readonly timeline: RoomEventFilter
  readonly state: RoomEventFilter
  readonly ephemeral: RoomEventFilter
  readonly accountData: RoomEventFilter
}

/** A whole filter, for `/sync`. */
export interface Filter {
  /** The paths to keep of each event, undefined to keep all; for `pickProperties`. */
  readonly eventFields?: readonly (readonly string[])[] | undefined
  readonly eventFormat: 'client' | 'federation'
  readonly presence: EventFilter
  readonly accountData: EventFilter
  readonly room: RoomFilter
}

/**
 * Reads a filter definition (client-server API, "Filtering"); `{}` is the filter that lets everything through.
 * Unknown members are ignored. Throws `M_BAD_JSON` where a member has the wrong form.
 */
export function parseFilter(value: Json): Filter {
  const filter = objectFrom(value, 'filter')
  const format = memberOf(filter, 'event_format') ?? 'client'
  if (format !== 'client' && format !== 'federation') throw bad('event_format must be client or federation')
  const room = member(filter, 'room')
  return {
    eventFields: strings(filter, 'event_fields')?.map(parsePropertyPath),
    eventFormat: format,
    presence: parseEventFilter(member(filter, 'presence')),
    accountData: parseEventFilter(member(filter, 'account_data')),
    room: {
      ...parseRoomChoice(room),
      includeLeave: flag(room, 'include_leave') ?? false,
      timeline: parseRoomEventFilter(member(room, 'timeline')),
      state: parseRoomEventFilter(member(room, 'state')),
      ephemeral: parseRoomEventFilter(member(room, 'ephemeral')),
      accountData: parseRoomEventFilter(member(room, 'account_data')),
    },
  }
}

/** Reads a `RoomEventFilter`, as `/messages`, `/context` and `/search` take it too. Throws `M_BAD_JSON`. */
export function parseRoomEventFilter(value: Json): RoomEventFilter {
  const filter = objectFrom(value, 'filter')
  return {
    ...parseEventFilter(filter),
    ...parseRoomChoice(filter),
    containsUrl: flag(filter, 'contains_url'),
    lazyLoadMembers: flag(filter, 'lazy_load_members') ?? false,
    includeRedundantMembers: flag(filter, 'include_redundant_members') ?? false,
    unreadThreadNotifications: flag(filter, 'unread_thread_notifications') ?? false,
    relatedBySenders: setOf(strings(filter, 'related_by_senders')),
    relatedByRelTypes: setOf(strings(filter, 'related_by_rel_types')),
  }
}

function parseEventFilter(filter: JsonObject): EventFilter {
  return {
    limit: limit(filter),
    types: strings(filter, 'types'),
    notTypes: strings(filter, 'not_types') ?? [],
    senders: setOf(ids(filter, 'senders', parseUserId)),
    notSenders: new Set(ids(filter, 'not_senders', parseUserId)),
  }
}

function parseRoomChoice(filter: JsonObject): RoomChoice {
  return {
    rooms: setOf(ids(filter, 'rooms', parseRoomId)),
    notRooms: new Set(ids(filter, 'not_rooms', parseRoomId)),
  }
}

function limit(filter: JsonObject): number | undefined {
  const value = memberOf(filter, 'limit')
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw bad('limit must be a positive integer')
  // Some clients send 0 to say "as few as you can".
  return Math.max(1, value)
}

function member(filter: JsonObject, name: string): JsonObject {
  return objectFrom(memberOf(filter, name) ?? {}, name)
}

function objectFrom(value: Json, name: string): JsonObject {
  if (!isJsonObject(value)) throw bad(`${name} must be an object`)
  return value
}

function flag(filter: JsonObject, name: string): boolean | undefined {
  const value = memberOf(filter, name) ?? undefined
  if (value !== undefined && typeof value !== 'boolean') throw bad(`${name} must be true or false`)
  return value
}

function strings(filter: JsonObject, name: string): string[] | undefined {
  const value = memberOf(filter, name) ?? undefined
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw bad(`${name} must be a list`)
  return (value as readonly Json[]).map((each) => {
    if (typeof each !== 'string') throw bad(`${name} must be a list of strings`)
    return each
  })
}

function ids(filter: JsonObject, name: string, parse: (id: string) => string | undefined): string[] | undefined {
  const list = strings(filter, name)
  if (list?.some((id) => parse(id) === undefined)) throw bad(`${name} has an entry that is no id`)
  return list
}

function setOf(list: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return list && new Set(list)
}

function bad(message: string): MatrixError {
  return new MatrixError('M_BAD_JSON', message)
}
