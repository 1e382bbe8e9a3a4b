import { checkAuth } from '../../src/protocol/auth/check.ts'
import { requiredState } from '../../src/protocol/auth/required-state.ts'
import { checkAuthEventsSelection } from '../../src/protocol/auth/selection.ts'
import { AuthState, stateKeyText } from '../../src/protocol/auth/state.ts'
import { isRefusal } from '../../src/protocol/event-refusal.ts'
import type { RoomEvent } from '../../src/protocol/event.ts'
import type { EventId, RoomId, ServerName } from '../../src/protocol/ids.ts'
import type { JsonObject } from '../../src/protocol/json-types.ts'
import type { RoomVersion } from '../../src/protocol/room-version.ts'
import { sealEvent } from '../../src/protocol/seal-event.ts'
import type { SigningKey } from '../../src/protocol/sign.ts'
import { resolveState } from '../../src/protocol/state-resolution/resolve.ts'

type State = ReadonlyMap<string, RoomEvent>

/** An event's place in a room of a scripted peer. */
export interface Placed {
  readonly event: RoomEvent
  readonly isRejected: boolean
  /** why it is rejected or soft-failed */
  readonly refusal: string | undefined
  /** the state after it, by type and state key */
  readonly after: State
}

/** What is chosen of an event; the rest follows from its place. */
export interface Choice {
  readonly type: string
  readonly sender: string
  readonly stateKey?: string
  readonly content: JsonObject
  /** other top-level keys */
  readonly more?: JsonObject
  /** the newest events of the room unless given */
  readonly prev?: readonly EventId[]
  /** changes the auth events that should be named */
  readonly twistAuth?: (authEvents: readonly EventId[]) => readonly EventId[]
}

/**
 * A room as a scripted peer holds it in memory: it builds events on any earlier ones, right or wrong, and follows what an
 * honest server would make of them, so that it can go on from there and serve the room to others.
 */
export class HostedRoom {
  readonly version: RoomVersion
  readonly id: RoomId
  readonly placed = new Map<EventId, Placed>()
  /** the newest events that were accepted: forward extremities, which a soft-failed event never is */
  tips: EventId[] = []
  readonly #server: ServerName
  readonly #key: SigningKey
  readonly #nids = new Map<EventId, number>()
  readonly #byNid: RoomEvent[] = []
  readonly #keyNids = new Map<string, number>()
  #ts: number

  constructor(
    version: RoomVersion,
    server: ServerName,
    key: SigningKey,
    creator: string,
    content: JsonObject,
    ts: number,
  ) {
    this.version = version
    this.#server = server
    this.#key = key
    this.#ts = ts
    const base: JsonObject = {
      type: 'm.room.create',
      state_key: '',
      sender: creator,
      content: { room_version: version.id, ...(version.creatorIsSender ? {} : { creator }), ...content },
      prev_events: [],
      auth_events: [],
      depth: 1,
      origin_server_ts: ts,
    }
    const fields = version.roomIdIsCreateHash ? base : { ...base, room_id: `!r${ts}:${server}` }
    const create = sealEvent(version, fields, server, key)
    if (isRefusal(create)) throw new Error(create.reason)
    this.id = create.roomId
    this.place(create)
  }

  /** The room's create event. */
  get create(): RoomEvent {
    return (this.placed.values().next().value as Placed).event
  }

  /** The state that the newest events make together. */
  get state(): State {
    return this.stateAfter(this.tips)
  }

  /** The state after several events together. */
  stateAfter(ids: readonly EventId[]): State {
    const states = ids.map((id) => this.#get(id).after)
    return states.length === 1 ? (states[0] as State) : this.#resolve(states)
  }

  /** The ids that an event should name in `auth_events`, by the state before it. */
  authEventsOf(choice: Pick<Choice, 'type' | 'sender' | 'stateKey' | 'content'>, before: State): EventId[] {
    const draft = { version: this.version, stateKey: undefined, ...choice }
    return requiredState(draft).flatMap(({ type, stateKey }) => before.get(stateKeyText(type, stateKey))?.eventId ?? [])
  }

  /** The fields of an event at its place, as a template for others too. */
  fields(choice: Choice): JsonObject {
    const prev = choice.prev ?? this.tips
    const selected = this.authEventsOf(choice, this.stateAfter(prev))
    return {
      type: choice.type,
      room_id: this.id,
      sender: choice.sender,
      ...(choice.stateKey === undefined ? {} : { state_key: choice.stateKey }),
      content: choice.content,
      prev_events: [...prev],
      auth_events: [...(choice.twistAuth?.(selected) ?? selected)],
      depth: 1 + Math.max(...prev.map((id) => this.#get(id).event.depth)),
      origin_server_ts: (this.#ts += 1000),
      ...choice.more,
    }
  }

  /** Builds, signs and places an event. Undefined where it would be no event at all. */
  add(choice: Choice): Placed | undefined {
    const event = sealEvent(this.version, this.fields(choice), this.#server, this.#key)
    return isRefusal(event) ? undefined : this.place(event)
  }

  /** Takes an event in, as an honest server would judge it by its auth events and the state before it. */
  place(event: RoomEvent): Placed {
    const isCreate = this.placed.size === 0
    const before: State = isCreate ? new Map<string, RoomEvent>() : this.stateAfter(event.prevEventIds)
    const rejection = isCreate ? undefined : this.#refusal(event, before)
    const isRejected = rejection !== undefined
    const softFailure = isCreate || isRejected ? undefined : checkAuth(event, this.#authState(this.state))
    const after =
      event.stateKey === undefined || isRejected
        ? before
        : new Map(before).set(stateKeyText(event.type, event.stateKey), event)
    const refusal = rejection ?? (softFailure && `now: ${softFailure}`)
    const placed = { event, isRejected, refusal, after }
    this.placed.set(event.eventId, placed)
    this.#nids.set(event.eventId, this.#byNid.push(event) - 1)
    if (refusal === undefined)
      this.tips = [...this.tips.filter((id) => !event.prevEventIds.includes(id)), event.eventId]
    return placed
  }

  /** All events that an event's auth events lead to, and these. */
  authChain(of: Iterable<RoomEvent>): RoomEvent[] {
    const chain = new Map<EventId, RoomEvent>()
    const waiting = [...of].flatMap(({ authEventIds }) => authEventIds)
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const event = this.placed.get(id)?.event
      if (event === undefined || chain.has(id)) continue
      chain.set(id, event)
      waiting.push(...event.authEventIds)
    }
    return [...chain.values()]
  }

  #refusal(event: RoomEvent, before: State): string | undefined {
    const named = event.authEventIds.map((id) => this.placed.get(id))
    const known = named.flatMap((each) =>
      each === undefined ? [] : [{ event: each.event, rejected: each.isRejected }],
    )
    if (known.length < named.length) return 'an unknown auth event'
    const create = this.version.roomIdIsCreateHash ? this.create : undefined
    return (
      checkAuthEventsSelection(event, known, create && { event: create, rejected: false }) ??
      checkAuth(
        event,
        AuthState.of(
          known.map((each) => each.event),
          create,
        ),
      ) ??
      checkAuth(event, this.#authState(before))
    )
  }

  #authState(state: State): AuthState | undefined {
    return AuthState.of(state.values(), this.version.roomIdIsCreateHash ? this.create : undefined)
  }

  #resolve(states: readonly State[]): State {
    const sets = states.map(
      (state) => new Map([...state].map(([key, { eventId }]) => [this.#keyNid(key), this.#nid(eventId)] as const)),
    )
    const resolved = resolveState({
      version: this.version,
      sets,
      create: this.create,
      authEdges: (nid) =>
        [...(this.#byNid[nid] as RoomEvent).authEventIds].map((id) => this.#nid(id)).toSorted((a, b) => a - b),
      keyOf: (nid) => {
        const { type, stateKey } = this.#byNid[nid] as RoomEvent
        return this.#keyNid(stateKeyText(type, stateKey as string))
      },
      keyNid: (type, stateKey) => this.#keyNid(stateKeyText(type, stateKey)),
      event: (nid) => this.#byNid[nid] as RoomEvent,
      isRejected: (nid) => this.#get((this.#byNid[nid] as RoomEvent).eventId).isRejected,
    })
    return new Map(
      [...resolved.values()].map((nid) => {
        const event = this.#byNid[nid] as RoomEvent
        return [stateKeyText(event.type, event.stateKey as string), event] as const
      }),
    )
  }

  #get(id: EventId): Placed {
    const placed = this.placed.get(id)
    if (placed === undefined) throw new Error(`no event ${id}`)
    return placed
  }

  #nid(id: EventId): number {
    return this.#nids.get(id) as number
  }

  #keyNid(key: string): number {
    const known = this.#keyNids.get(key)
    if (known !== undefined) return known
    this.#keyNids.set(key, this.#keyNids.size)
    return this.#keyNids.size - 1
  }
}
