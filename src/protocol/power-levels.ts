import type { RoomEvent } from './event.ts'
import { isJsonObject } from './json.ts'
import type { Json, JsonObject } from './json-types.ts'
import type { RoomVersion } from './room-version.ts'

/** The levels of `m.room.power_levels` that are single numbers, with the values that count where they are absent. */
export const defaultLevels = {
  users_default: 0,
  events_default: 0,
  state_default: 50,
  ban: 50,
  redact: 50,
  kick: 50,
  invite: 0,
} as const

/** The name of a level that is a single number. */
export type LevelName = keyof typeof defaultLevels

const noContent: JsonObject = Object.freeze({})

/**
 * One power level as its room version writes it: an integer; before version 10 also a string that is an integer;
 * before version 6 also a float, cut at the decimal point. Undefined for everything else (room versions 1 and 10,
 * "Deprecated event content schemas").
 */
export function parseLevel(version: RoomVersion, value: Json | undefined): number | undefined {
  if (typeof value === 'number') {
    if (Number.isInteger(value)) return value
    return version.strictCanonicalJson || !Number.isFinite(value) ? undefined : Math.trunc(value)
  }
  if (typeof value === 'string' && !version.integerPowerLevels) return parseIntegerString(value)
  return undefined
}

function parseIntegerString(text: string): number | undefined {
  const trimmed = text.trim()
  const start = trimmed.startsWith('-') || trimmed.startsWith('+') ? 1 : 0
  if (trimmed.length === start) return undefined
  for (let i = start; i < trimmed.length; i++) {
    const code = trimmed.charCodeAt(i)
    if (code < 48 || code > 57) return undefined
  }
  const level = Number(trimmed)
  return Number.isFinite(level) ? level : undefined
}

/** The users that a create event makes creators: its `sender`, or before version 11 `content.creator`, and from version 12 `additional_creators`. */
export function creatorsOf(create: RoomEvent): ReadonlySet<string> {
  const { version, content } = create
  if (!version.creatorIsSender) return new Set(typeof content.creator === 'string' ? [content.creator] : [])
  const creators = new Set<string>([create.sender])
  if (version.privilegedCreators && Array.isArray(content.additional_creators))
    for (const creator of content.additional_creators) if (typeof creator === 'string') creators.add(creator)
  return creators
}

/**
 * The power levels of a room at one point: its `m.room.power_levels` event, or the defaults that count without one
 * (client-server API, `m.room.power_levels`). A value that is not a level counts as absent.
 */
export class PowerLevels {
  readonly #version: RoomVersion
  readonly #content: JsonObject | undefined
  readonly #creators: ReadonlySet<string>
  readonly #users: JsonObject
  readonly #events: JsonObject
  readonly #notifications: JsonObject
  /** Needed to invite. */
  readonly invite: number
  /** Needed to kick. */
  readonly kick: number
  /** Needed to ban. */
  readonly ban: number
  /** Needed to redact another user's event. */
  readonly redact: number
  /** Of users that are not listed. */
  readonly usersDefault: number
  /** Needed for message events that are not listed. */
  readonly eventsDefault: number
  /** Needed for state events that are not listed. */
  readonly stateDefault: number

  /** `content` is that of the power levels event, undefined where the room has none. */
  constructor(version: RoomVersion, creators: ReadonlySet<string>, content: JsonObject | undefined) {
    this.#version = version
    this.#content = content
    this.#creators = creators
    this.#users = objectOf(content, 'users')
    this.#events = objectOf(content, 'events')
    this.#notifications = objectOf(content, 'notifications')
    this.invite = this.#plain('invite')
    this.kick = this.#plain('kick')
    this.ban = this.#plain('ban')
    this.redact = this.#plain('redact')
    this.usersDefault = this.#plain('users_default')
    this.eventsDefault = this.#plain('events_default')
    this.stateDefault = this.#plain('state_default')
  }

  #plain(name: LevelName): number {
    return (this.#content && this.#entry(this.#content, name)) ?? defaultLevels[name]
  }

  #entry(levels: JsonObject, key: string): number | undefined {
    return Object.hasOwn(levels, key) ? parseLevel(this.#version, levels[key]) : undefined
  }

  /** The user's level: infinite for a creator from version 12, 100 for the creator of an older room without the event. */
  levelOf(userId: string): number {
    if (this.#version.privilegedCreators && this.#creators.has(userId)) return Infinity
    if (this.#content === undefined) return !this.#version.privilegedCreators && this.#creators.has(userId) ? 100 : 0
    return this.#entry(this.#users, userId) ?? this.usersDefault
  }

  /** The level needed to send an event of this type (server-server API, "Required Power Level"). */
  requiredFor(type: string, isState: boolean): number {
    return this.#entry(this.#events, type) ?? (isState ? this.stateDefault : this.eventsDefault)
  }

  /** The level needed to trigger a notification such as `room`; 50 where it is not given. */
  notification(key: string): number {
    return this.#entry(this.#notifications, key) ?? 50
  }
}

function objectOf(content: JsonObject | undefined, key: string): JsonObject {
  const value = content && Object.hasOwn(content, key) ? content[key] : undefined
  return isJsonObject(value) ? value : noContent
}

const parsed = new WeakMap<RoomEvent, WeakMap<RoomEvent, PowerLevels>>()

/**
 * The power levels that a room has with this create event and this `m.room.power_levels` event. Parsed once for each
 * pair of events: they do not change, and a resolution asks for the same pair hundreds of times.
 */
export function powerLevelsOf(create: RoomEvent, event: RoomEvent | undefined): PowerLevels {
  const key = event ?? create
  let byCreate = parsed.get(key)
  if (byCreate === undefined) parsed.set(key, (byCreate = new WeakMap()))
  let levels = byCreate.get(create)
  if (levels === undefined) {
    levels = new PowerLevels(create.version, creatorsOf(create), event?.content)
    byCreate.set(create, levels)
  }
  return levels
}
