import {
  parseEventId,
  parseRoomId,
  parseServerName,
  type EventId,
  type RoomId,
  type ServerName,
} from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { badAnswer } from './errors.ts'

/** What `make_join`, `make_leave` and `make_knock` answer. Only a template: nothing in it is signed as it is. */
export interface Template {
  readonly roomVersion: string
  readonly event: JsonObject
}

/** What `send_join` answers, unjudged. */
export interface JoinAnswer {
  readonly state: readonly Json[]
  readonly authChain: readonly Json[]
  /** the join as the resident server has it, in restricted rooms with its signature */
  readonly event: JsonObject | undefined
  readonly membersOmitted: boolean
  readonly serversInRoom: readonly ServerName[]
  readonly origin: ServerName | undefined
}

export interface StateAnswer {
  readonly pdus: readonly Json[]
  readonly authChain: readonly Json[]
}

export interface StateIdsAnswer {
  readonly pduIds: readonly EventId[]
  readonly authChainIds: readonly EventId[]
}

export interface DirectoryAnswer {
  readonly roomId: RoomId
  readonly servers: readonly ServerName[]
}

export interface EventAtTime {
  readonly eventId: EventId
  readonly originServerTs: number
}

/** The list under a name; throws `bad_answer` where there is none. */
export function listAt(from: ServerName, answer: JsonObject, name: string): readonly Json[] {
  const list = memberOf(answer, name)
  if (!Array.isArray(list)) throw badAnswer(from, `answered without the list ${name}`)
  return list as readonly Json[]
}

/** The object under a name; throws `bad_answer` where there is none. */
export function objectAt(from: ServerName, answer: JsonObject, name: string): JsonObject {
  const value = memberOf(answer, name)
  if (!isJsonObject(value)) throw badAnswer(from, `answered without the object ${name}`)
  return value
}

/** The object in `[200, { … }]`, the form of some answers of version 1. */
export function second(from: ServerName, answer: Json): JsonObject {
  const value = Array.isArray(answer) ? (answer as readonly Json[])[1] : undefined
  if (!isJsonObject(value)) throw badAnswer(from, 'answered without [200, object]')
  return value
}

export function template(from: ServerName, answer: JsonObject): Template {
  const version = memberOf(answer, 'room_version') ?? '1'
  if (typeof version !== 'string') throw badAnswer(from, 'room_version is not a string')
  return { roomVersion: version, event: objectAt(from, answer, 'event') }
}

export function joinAnswer(from: ServerName, answer: JsonObject): JoinAnswer {
  const event = memberOf(answer, 'event')
  const servers = memberOf(answer, 'servers_in_room')
  return {
    state: listAt(from, answer, 'state'),
    authChain: listAt(from, answer, 'auth_chain'),
    event: isJsonObject(event) ? event : undefined,
    membersOmitted: memberOf(answer, 'members_omitted') === true,
    serversInRoom: Array.isArray(servers) ? serverNames(servers as readonly Json[]) : [],
    origin: parseServerName(memberOf(answer, 'origin')),
  }
}

export function stateAnswer(from: ServerName, answer: JsonObject): StateAnswer {
  return { pdus: listAt(from, answer, 'pdus'), authChain: listAt(from, answer, 'auth_chain') }
}

export function stateIdsAnswer(from: ServerName, answer: JsonObject): StateIdsAnswer {
  return {
    pduIds: eventIds(from, listAt(from, answer, 'pdu_ids')),
    authChainIds: eventIds(from, listAt(from, answer, 'auth_chain_ids')),
  }
}

export function directoryAnswer(from: ServerName, answer: JsonObject): DirectoryAnswer {
  const roomId = parseRoomId(memberOf(answer, 'room_id'))
  if (roomId === undefined) throw badAnswer(from, 'answered without a room id')
  const servers = memberOf(answer, 'servers')
  return { roomId, servers: Array.isArray(servers) ? serverNames(servers as readonly Json[]) : [] }
}

export function eventAtTime(from: ServerName, answer: JsonObject): EventAtTime {
  const eventId = parseEventId(memberOf(answer, 'event_id'))
  const ts = memberOf(answer, 'origin_server_ts')
  if (eventId === undefined || typeof ts !== 'number' || !Number.isSafeInteger(ts))
    throw badAnswer(from, 'answered without an event')
  return { eventId, originServerTs: ts }
}

function eventIds(from: ServerName, list: readonly Json[]): EventId[] {
  const ids = new Set<EventId>()
  for (const item of list) {
    const eventId = parseEventId(item)
    if (eventId === undefined) throw badAnswer(from, 'answered with something that is no event id')
    ids.add(eventId)
  }
  return [...ids]
}

/** At most a thousand, each once. */
function serverNames(list: readonly Json[]): ServerName[] {
  const names = list.slice(0, 1000).map(parseServerName)
  return [...new Set(names.filter((name) => name !== undefined))]
}
