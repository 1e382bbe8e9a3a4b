import * as v from 'valibot'
import { parseEventId, parseRoomAlias, parseRoomId, parseServerName, parseUserId } from '../protocol/ids.ts'
import type { EventId, RoomAlias, RoomId, ServerName, UserId } from '../protocol/ids.ts'
import { isJsonObject } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'

/** A string that one of the parsers of protocol/ids.ts takes. */
function parsed<T extends string>(parse: (value: unknown) => T | undefined, what: string) {
  return v.pipe(
    v.string(),
    v.check((value) => parse(value) !== undefined, `not a valid ${what}`),
    v.transform((value) => value as T),
  )
}

export const userId = parsed<UserId>(parseUserId, 'user ID')
export const roomId = parsed<RoomId>(parseRoomId, 'room ID')
export const eventId = parsed<EventId>(parseEventId, 'event ID')
export const roomAlias = parsed<RoomAlias>(parseRoomAlias, 'room alias')
export const serverName = parsed<ServerName>(parseServerName, 'server name')
export const roomIdOrAlias = parsed<RoomId | RoomAlias>(
  (value) => parseRoomId(value) ?? parseRoomAlias(value),
  'room ID or alias',
)

/** A JSON object of any members, kept as the very object that the parser made. */
export const jsonObject = v.custom<JsonObject>(isJsonObject, 'not an object')
/** Any JSON value, kept as it is. */
export const jsonValue = v.custom<Json>((value) => value !== undefined, 'missing')

/** A whole number in a query; larger than `most` counts as `most`. */
export function integerParam(options: { least?: number; most?: number } = {}) {
  const { least = 0, most = Number.MAX_SAFE_INTEGER } = options
  return v.pipe(
    v.string(),
    v.regex(/^-?\d{1,16}$/, 'not a whole number'),
    v.transform(Number),
    v.check((value) => value >= least, `less than ${least}`),
    v.transform((value) => Math.min(value, most)),
  )
}

/** `true` or `false` in a query. */
export const booleanParam = v.pipe(
  v.picklist(['true', 'false'], 'neither true nor false'),
  v.transform((value) => value === 'true'),
)

/** A key of a query that may stand several times: an array of what `item` makes of each. */
export function repeated<Output>(item: v.GenericSchema<string, Output>) {
  return v.pipe(
    v.union([v.string(), v.array(v.string())]),
    v.transform((value) => (typeof value === 'string' ? [value] : value)),
    v.array(item),
  )
}

/** The first value of a key that may stand several times and should not. */
export const firstOf = v.pipe(
  v.union([v.string(), v.array(v.string())]),
  v.transform((value) => (typeof value === 'string' ? value : (value[0] ?? ''))),
)
