import type { Reading } from './reading.ts'

/** A parsed event as the oracle reads it: plain, by the names of the wire. */
export interface OracleEvent {
  readonly event_id: string
  /** Absent from a create event of room version 12 and of no other event. */
  readonly room_id?: string
  readonly type: string
  readonly sender: string
  readonly state_key?: string
  readonly content: Fields
  readonly auth_events: readonly string[]
  readonly prev_events: readonly string[]
  readonly depth: number
  readonly origin_server_ts: number
  readonly redacts?: string
}

export type Fields = { readonly [name: string]: unknown }

/** Room state: from `stateKey()` to the event that stands there. */
export type State = Map<string, OracleEvent>

/** What is known of a room while one of its events is judged. */
export interface World {
  /** "1" to "12". */
  readonly version: number
  readonly reading: Reading
  readonly events: ReadonlyMap<string, OracleEvent>
  /** The ids of the events that were rejected on receipt. */
  readonly rejected: ReadonlySet<string>
  /** Whether a server's valid signature is on the event. */
  readonly isSignedBy: (event: OracleEvent, server: string) => boolean
}

export function stateKey(type: string, key: string): string {
  return `${type}\u0000${key}`
}

export function keyOf(event: OracleEvent): string {
  if (event.state_key === undefined) throw new Error(`${event.event_id} is no state event`)
  return stateKey(event.type, event.state_key)
}

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An object's own member, so that `constructor` and the like are names as any other. */
export function own(object: unknown, name: string): unknown {
  return isObject(object) && Object.hasOwn(object, name) ? object[name] : undefined
}

export function has(object: unknown, name: string): boolean {
  return isObject(object) && Object.hasOwn(object, name)
}

export function eventOf(world: World, id: string): OracleEvent {
  const event = world.events.get(id)
  if (event === undefined) throw new Error(`event ${id} is missing`)
  return event
}
