import type { EventId, RoomId, ServerName, UserId } from '../../../src/protocol/ids.ts'
import type { RoomEvent } from '../../../src/protocol/event.ts'
import { isRefusal } from '../../../src/protocol/event-refusal.ts'
import { isJsonObject } from '../../../src/protocol/json.ts'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'
import { parseEvent } from '../../../src/protocol/parse-event.ts'
import type { RoomVersion } from '../../../src/protocol/room-version.ts'
import { systemRandom } from '../../../src/util/system-ports.ts'
import { referenceTo, version } from '../engine.ts'
import type { EvilServer } from '../evil.ts'
import type { Fields } from './pdu.ts'
import { seal, serverOf } from './pdu.ts'

/** What an event of the room says; the rest follows from the room. */
export interface Draft {
  readonly type: string
  readonly sender?: UserId
  readonly stateKey?: string
  readonly content: JsonObject
  readonly prev?: readonly RoomEvent[]
  /** instead of the auth events that an honest server would select */
  readonly auth?: readonly RoomEvent[]
  /** laid over the finished fields */
  readonly more?: Fields
}

export interface RoomOptions {
  readonly version?: string
  readonly joinRule?: string
  readonly powerLevels?: JsonObject
}

const place = (type: string, stateKey: string) => `${type}|${stateKey}`
let count = 0

/** A room of the hostile server, which it makes event by event, honestly unless told otherwise. */
export class EvilRoom {
  readonly host: EvilServer
  readonly version: RoomVersion
  readonly id: RoomId
  readonly creator: UserId
  readonly create: RoomEvent
  /** in the order in which they were added */
  readonly events: RoomEvent[] = []
  readonly state = new Map<string, RoomEvent>()

  constructor(host: EvilServer, { version: id = '11', joinRule = 'public', powerLevels = {} }: RoomOptions = {}) {
    this.host = host
    this.version = version(id)
    this.creator = `@mallory:${host.name}`
    const isHashed = this.version.roomIdIsCreateHash
    this.id = `!r${++count}${systemRandom.token(6)}:${host.name}`
    const content: JsonObject = {
      room_version: id,
      ...(this.version.creatorIsSender ? {} : { creator: this.creator }),
    }
    const create = this.fields({ type: 'm.room.create', stateKey: '', content, prev: [], auth: [] })
    const { room_id: _roomId, ...roomless } = create
    this.create = this.read(seal(this.version, isHashed ? roomless : create))
    if (isHashed) this.id = this.create.roomId
    this.put(this.create)
    const creator = this.creator
    this.add({ type: 'm.room.member', stateKey: creator, content: { membership: 'join' } })
    const users = this.version.privilegedCreators ? {} : { users: { [creator]: 100 } }
    this.add({ type: 'm.room.power_levels', stateKey: '', content: { ...users, ...powerLevels } })
    this.add({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: joinRule } })
  }

  get newest(): RoomEvent {
    return this.events.at(-1) as RoomEvent
  }

  stateEvent(type: string, stateKey = ''): RoomEvent {
    const found = this.state.get(place(type, stateKey))
    if (found === undefined) throw new Error(`the room has no ${type}`)
    return found
  }

  /** The fields of an honest event of the room, unsigned. */
  fields({ type, sender = this.creator, stateKey, content, prev, auth, more = {} }: Draft): Fields {
    const before = prev ?? [this.newest]
    const named = auth ?? this.authFor(type, sender, stateKey, content)
    const { eventIdFormat } = this.version
    return {
      room_id: this.id,
      sender,
      type,
      ...(stateKey === undefined ? {} : { state_key: stateKey }),
      content,
      prev_events: before.map((event) => referenceTo(this.version, event)),
      auth_events: named.map((event) => referenceTo(this.version, event)),
      depth: Math.max(0, ...before.map(({ depth }) => depth)) + 1,
      origin_server_ts: Date.now(),
      ...(eventIdFormat === 'origin' ? { event_id: `$${systemRandom.token(9)}:${serverOf(sender)}` } : {}),
      ...more,
    }
  }

  /** What an honest server selects (server-server API, "Auth events selection"). */
  authFor(type: string, sender: UserId, stateKey?: string, content: JsonObject = {}): RoomEvent[] {
    const keys = new Set([place('m.room.power_levels', ''), place('m.room.member', sender)])
    if (!this.version.roomIdIsCreateHash) keys.add(place('m.room.create', ''))
    if (type === 'm.room.member' && stateKey !== undefined) {
      keys.add(place('m.room.member', stateKey))
      if (['join', 'invite', 'knock'].includes(content['membership'] as string))
        keys.add(place('m.room.join_rules', ''))
    }
    return [...keys].flatMap((key) => this.state.get(key) ?? [])
  }

  /** An honest event that is no part of the room yet. */
  build(draft: Draft): RoomEvent {
    return this.read(seal(this.version, this.fields(draft)))
  }

  /** An honest event on top of the room. */
  add(draft: Draft): RoomEvent {
    return this.put(this.build(draft))
  }

  put(event: RoomEvent): RoomEvent {
    this.events.push(event)
    if (event.stateKey !== undefined) this.state.set(place(event.type, event.stateKey), event)
    return event
  }

  read(pdu: JsonObject): RoomEvent {
    const event = parseEvent(this.version, pdu)
    if (isRefusal(event)) throw new Error(event.reason)
    return event
  }

  /** The template of a membership. */
  template(userId: UserId, membership: string, prev?: readonly Json[]): JsonObject {
    const fields = this.fields({
      type: 'm.room.member',
      sender: userId,
      stateKey: userId,
      content: { membership },
      ...(prev === undefined ? {} : { more: { prev_events: prev } }),
    })
    const { event_id: _eventId, ...event } = fields
    return { room_version: this.version.id, event }
  }

  /** An honest answer to `send_join`. */
  joinAnswer(): { origin: ServerName; state: Json[]; auth_chain: Json[]; members_omitted: boolean } {
    const pdus = [...this.state.values()].map(({ pdu }) => pdu)
    return { origin: this.host.name, state: pdus, auth_chain: pdus, members_omitted: false }
  }

  /** The ids of the room's state. */
  stateIds(): EventId[] {
    return [...this.state.values()].map(({ eventId }) => eventId)
  }

  /** Takes the join that another server sent. */
  accept(body: Json): RoomEvent {
    if (!isJsonObject(body)) throw new Error('not an object')
    return this.put(this.read(body))
  }
}
