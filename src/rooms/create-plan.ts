import { MatrixError } from '../protocol/errors.ts'
import type { RoomAlias, ServerName, UserId } from '../protocol/ids.ts'
import { parseRoomAlias } from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { RoomVersion } from '../protocol/room-version.ts'
import { findRoomVersion } from '../protocol/room-version.ts'
import { checkContent } from './content-checks.ts'
import type { Preset, StateDraft } from './presets.ts'
import { defaultPowerLevels, presetState, topicContent } from './presets.ts'

/** What a client wants of a new room (client-server API, `createRoom`). */
export interface CreateRequest {
  readonly visibility?: 'public' | 'private' | undefined
  readonly aliasName?: string | undefined
  readonly name?: string | undefined
  readonly topic?: string | undefined
  readonly invite?: readonly UserId[] | undefined
  readonly version?: string | undefined
  readonly creationContent?: JsonObject | undefined
  readonly initialState?: readonly JsonObject[] | undefined
  readonly preset?: Preset | undefined
  readonly isDirect?: boolean | undefined
  readonly powerLevels?: JsonObject | undefined
}

/** A room that is to be made: its events in their order, without invites. */
export interface RoomPlan {
  readonly version: RoomVersion
  readonly creator: UserId
  readonly createContent: JsonObject
  /** After the create event and the creator's join. */
  readonly state: readonly StateDraft[]
  readonly alias: RoomAlias | undefined
  readonly isPublished: boolean
}

const maxInitialState = 500

/** Throws `M_UNSUPPORTED_ROOM_VERSION` for a version that this server does not know. */
export function roomVersionOf(id: string): RoomVersion {
  const version = findRoomVersion(id)
  if (version === undefined)
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', 'This server does not support that room version')
  return version
}

/**
 * Plans a room in the order of the specification. A pure function. Throws `M_UNSUPPORTED_ROOM_VERSION`, `M_BAD_JSON`,
 * `M_INVALID_PARAM`, `M_INVALID_ROOM_STATE`, `M_BAD_ALIAS`.
 */
export function planRoom(
  request: CreateRequest,
  about: { readonly creator: UserId; readonly serverName: ServerName; readonly defaultVersion: string },
): RoomPlan {
  const { creator, serverName } = about
  const { visibility = 'private', invite = [], name, topic } = request
  const version = roomVersionOf(request.version ?? about.defaultVersion)
  const preset = request.preset ?? (visibility === 'public' ? 'public_chat' : 'private_chat')
  const trusted = preset === 'trusted_private_chat' ? invite : []
  const alias = request.aliasName === undefined ? undefined : newAlias(request.aliasName, serverName)
  const levels = startingLevels(version, defaultPowerLevels(version, preset, creator, trusted), request.powerLevels)
  const named: StateDraft[] = []
  if (name !== undefined && name !== '') named.push({ type: 'm.room.name', stateKey: '', content: { name } })
  if (topic !== undefined && topic !== '')
    named.push({ type: 'm.room.topic', stateKey: '', content: topicContent(topic) })
  const initial = (request.initialState ?? []).map((entry) => initialState(entry, alias))
  if (initial.length > maxInitialState) throw new MatrixError('M_BAD_JSON', 'initial_state has too many events')
  const state: StateDraft[] = [
    { type: 'm.room.power_levels', stateKey: '', content: levels },
    ...(alias === undefined ? [] : [{ type: 'm.room.canonical_alias', stateKey: '', content: { alias } }]),
    ...without(presetState(preset), initial),
    ...without(initial, named),
    ...named,
  ]
  for (const { type, content } of state) checkContent(type, content, { isState: true, serverName })
  const createContent = createContentOf(version, creator, request.creationContent ?? {}, trusted)
  return { version, creator, createContent, state, alias, isPublished: visibility === 'public' }
}

/**
 * The first power levels: the usual ones with what the client wants on top. Where creators have power by being creators,
 * a tombstone takes more than other state unless the client says otherwise.
 */
function startingLevels(version: RoomVersion, usual: JsonObject, wanted: JsonObject | undefined): JsonObject {
  const levels: JsonObject = { ...usual, ...wanted }
  const { events, state_default: stateDefault } = levels
  if (!version.privilegedCreators || !isJsonObject(events)) return levels
  const isSaid = isJsonObject(wanted?.events) && memberOf(wanted.events, 'm.room.tombstone') !== undefined
  if (isSaid) return levels
  const least = typeof stateDefault === 'number' ? stateDefault + 1 : 0
  return { ...levels, events: { ...events, 'm.room.tombstone': Math.max(150, least) } }
}

function without(state: readonly StateDraft[], overridden: readonly StateDraft[]): StateDraft[] {
  return state.filter(
    ({ type, stateKey }) => !overridden.some((other) => other.type === type && other.stateKey === stateKey),
  )
}

/** What the create event says: what the client wants, but for what is the server's to say. */
export function createContentOf(
  version: RoomVersion,
  creator: UserId,
  wanted: JsonObject,
  trusted: readonly UserId[],
): JsonObject {
  const { creator: _creator, room_version: _version, ...content } = wanted
  const base = { ...content, room_version: version.id, ...(version.creatorIsSender ? {} : { creator }) }
  if (!version.privilegedCreators) return base
  const { additional_creators: named, ...rest } = base as JsonObject
  if (named !== undefined && !Array.isArray(named))
    throw new MatrixError('M_BAD_JSON', 'additional_creators is not an array')
  const creators = new Set([...((named ?? []) as readonly string[]), ...trusted])
  creators.delete(creator)
  return creators.size === 0 ? rest : { ...rest, additional_creators: [...creators] }
}

/** The alias with this localpart on this server. Throws `M_INVALID_PARAM`. */
export function newAlias(localpart: string, serverName: ServerName): RoomAlias {
  const alias = localpart === '' || /[\s:]/.test(localpart) ? undefined : parseRoomAlias(`#${localpart}:${serverName}`)
  if (alias === undefined) throw new MatrixError('M_INVALID_PARAM', 'The room alias is not valid')
  return alias
}

function initialState(entry: JsonObject, alias: RoomAlias | undefined): StateDraft {
  const type = memberOf(entry, 'type')
  const stateKey = memberOf(entry, 'state_key') ?? ''
  const content = memberOf(entry, 'content')
  if (typeof type !== 'string' || typeof stateKey !== 'string' || !isJsonObject(content))
    throw new MatrixError('M_BAD_JSON', 'An event of initial_state has no type, state_key or content')
  if (type === 'm.room.create' || type === 'm.room.member')
    throw new MatrixError('M_INVALID_ROOM_STATE', `initial_state cannot set ${type}`)
  if (type === 'm.room.canonical_alias' && !namesOnly(content, alias))
    throw new MatrixError('M_BAD_ALIAS', 'The alias does not lead to this room')
  return { type, stateKey, content }
}

/** No other alias can lead to a room that does not exist yet. */
function namesOnly(content: JsonObject, alias: RoomAlias | undefined): boolean {
  const { alias: main, alt_aliases: others = [] } = content
  return (
    (main === undefined || main === null || main === alias) &&
    Array.isArray(others) &&
    others.every((other) => other === alias)
  )
}
