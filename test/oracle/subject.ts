import { checkAuth } from '../../src/protocol/auth/check.ts'
import { requiredState } from '../../src/protocol/auth/required-state.ts'
import { checkAuthEventsSelection } from '../../src/protocol/auth/selection.ts'
import { AuthState, stateKeyText } from '../../src/protocol/auth/state.ts'
import type { RoomEvent } from '../../src/protocol/event.ts'
import type { EventId, RoomId, UserId } from '../../src/protocol/ids.ts'
import type { JsonObject } from '../../src/protocol/json-types.ts'
import { requiredSigners } from '../../src/protocol/required-signers.ts'
import { type RoomVersion, roomVersions } from '../../src/protocol/room-version.ts'
import type { ResolutionInput } from '../../src/protocol/state-resolution/input.ts'
import { resolveState } from '../../src/protocol/state-resolution/resolve.ts'
import { type OracleEvent, type State, type World, keyOf } from './event.ts'

/** The protocol's own answers to what the oracle was asked, for the same plain events. */
export class Subject {
  readonly #world: World
  readonly #version: RoomVersion
  readonly #made = new Map<string, RoomEvent>()
  readonly #nids = new Map<string, number>()
  readonly #byNid: RoomEvent[] = []
  readonly #edges: number[][] = []
  readonly #keyNids = new Map<string, number>()

  constructor(world: World) {
    const version = roomVersions.get(String(world.version))
    if (version === undefined) throw new Error(`no room version ${world.version}`)
    this.#world = world
    this.#version = version
  }

  requiredKeys(event: OracleEvent): Set<string> {
    return new Set(requiredState(this.#event(event)).map(({ type, stateKey }) => stateKeyText(type, stateKey)))
  }

  refusalOfAuthEvents(event: OracleEvent): string | undefined {
    const { events } = this.#world
    const entries = event.auth_events.map((id) => this.#checked(id))
    const createId = `$${event.room_id?.slice(1)}`
    const create = events.has(createId) ? this.#checked(createId) : undefined
    return checkAuthEventsSelection(this.#event(event), entries, create)
  }

  refusalInState(event: OracleEvent, state: State): string | undefined {
    const made = this.#event(event)
    for (const server of requiredSigners(made)) {
      if (!this.#world.isSignedBy(event, server)) return `${server} has not signed`
    }
    const events = [...state.values()].map((one) => this.#event(one))
    return checkAuth(made, event.type === 'm.room.create' ? undefined : AuthState.of(events))
  }

  /** From the oracle's state keys to event ids. */
  resolve(states: readonly State[], rejected: ReadonlySet<string>): Map<string, string> {
    for (const event of this.#world.events.values()) this.#nid(event)
    const create = this.#byNid[0]
    if (create === undefined) throw new Error('no create event')
    const sets = states.map((state) => new Map([...state].map(([key, event]) => [this.#keyNid(key), this.#nid(event)])))
    const input: ResolutionInput = {
      version: this.#version,
      sets,
      create,
      authEdges: (nid) => this.#edges[nid] ?? [],
      keyOf: (nid) => {
        const { type, stateKey = '' } = this.#at(nid)
        return this.#keyNid(stateKeyText(type, stateKey))
      },
      keyNid: (type, stateKey) => this.#keyNids.get(stateKeyText(type, stateKey)),
      event: (nid) => this.#at(nid),
      isRejected: (nid) => rejected.has(this.#at(nid).eventId),
    }
    const names = new Map<number, string>()
    const resolved = resolveState(input)
    for (const [key, nid] of this.#keyNids) names.set(nid, key)
    return new Map([...resolved].map(([key, nid]) => [names.get(key) ?? '', this.#at(nid).eventId]))
  }

  #checked(id: string): { event: RoomEvent; rejected: boolean } {
    const event = this.#world.events.get(id)
    if (event === undefined) throw new Error(`event ${id} is missing`)
    return { event: this.#event(event), rejected: this.#world.rejected.has(id) }
  }

  #event(event: OracleEvent): RoomEvent {
    let made = this.#made.get(event.event_id)
    if (made === undefined) this.#made.set(event.event_id, (made = roomEvent(this.#version, event)))
    return made
  }

  #at(nid: number): RoomEvent {
    const event = this.#byNid[nid]
    if (event === undefined) throw new Error(`no event ${nid}`)
    return event
  }

  /** Row ids ascend with the auth edges, as they do in the store. */
  #nid(event: OracleEvent): number {
    let nid = this.#nids.get(event.event_id)
    if (nid === undefined) {
      const edges = event.auth_events.map((id) => this.#nids.get(id) ?? -1)
      nid = this.#byNid.push(this.#event(event)) - 1
      this.#nids.set(event.event_id, nid)
      this.#edges[nid] = edges
      if (event.state_key !== undefined) this.#keyNid(keyOf(event))
    }
    return nid
  }

  #keyNid(key: string): number {
    let nid = this.#keyNids.get(key)
    if (nid === undefined) this.#keyNids.set(key, (nid = this.#keyNids.size + 1))
    return nid
  }
}

/** A plain event in the protocol's shape; what needs no signature needs no text. */
export function roomEvent(version: RoomVersion, event: OracleEvent): RoomEvent {
  const { event_id, room_id, ...rest } = event
  const isCreateOf12 = event.type === 'm.room.create' && version.roomIdIsCreateHash
  return {
    eventId: event_id as EventId,
    roomId: (isCreateOf12 ? `!${event_id.slice(1)}` : (room_id ?? '')) as RoomId,
    version,
    type: event.type,
    stateKey: event.state_key,
    sender: event.sender as UserId,
    content: event.content as JsonObject,
    originServerTs: event.origin_server_ts,
    depth: event.depth,
    prevEventIds: event.prev_events as EventId[],
    authEventIds: event.auth_events as EventId[],
    redacts: (event.redacts ?? event.content['redacts']) as EventId | undefined,
    pdu: { ...rest, ...(room_id === undefined ? {} : { room_id }) } as unknown as JsonObject,
    text: '',
  }
}
