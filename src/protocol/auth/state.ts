import type { RoomEvent } from '../event.ts'
import type { PowerLevels } from '../power-levels.ts'
import { powerLevelsOf } from '../power-levels.ts'

/** Why an event is not allowed, in words for the log and the client; undefined where it is allowed. */
export type Refusal = string | undefined

/** The place of an event in a room's state. */
export interface StateKey {
  readonly type: string
  readonly stateKey: string
}

/** Finds the state event at a type and state key, undefined where the state has none. */
export type StateLookup = (type: string, stateKey: string) => RoomEvent | undefined

/** One string for a type and a state key; the separator occurs in neither in practice and only costs a miss if it does. */
export function stateKeyText(type: string, stateKey: string): string {
  return `${type}\u0000${stateKey}`
}

/**
 * The state that an event is checked against. The create event is held apart from the rest, because room version 12
 * does not name it among the auth events.
 */
export class AuthState {
  readonly create: RoomEvent
  readonly #find: StateLookup
  #levels: PowerLevels | undefined

  constructor(create: RoomEvent, find: StateLookup) {
    this.create = create
    this.#find = find
  }

  /**
   * The state made of these state events, for instance an event's auth events; `create` where they may lack it
   * (version 12). Undefined if there is no create event at all.
   */
  static of(events: Iterable<RoomEvent>, create?: RoomEvent): AuthState | undefined {
    const byKey = new Map<string, RoomEvent>()
    for (const event of events)
      if (event.stateKey !== undefined) byKey.set(stateKeyText(event.type, event.stateKey), event)
    const found = create ?? byKey.get(stateKeyText('m.room.create', ''))
    return found && new AuthState(found, (type, stateKey) => byKey.get(stateKeyText(type, stateKey)))
  }

  get(type: string, stateKey: string): RoomEvent | undefined {
    return type === 'm.room.create' && stateKey === '' ? this.create : this.#find(type, stateKey)
  }

  /** The power levels of this state, or those of a room without the event. */
  get powerLevels(): PowerLevels {
    return (this.#levels ??= powerLevelsOf(this.create, this.#find('m.room.power_levels', '')))
  }

  /** `join`, `invite`, `leave`, `ban` or `knock`; `leave` for a user that was never in the room. */
  membershipOf(userId: string): string {
    const membership = this.#find('m.room.member', userId)?.content.membership
    return typeof membership === 'string' ? membership : 'leave'
  }

  /**
   * The join rule; `invite` where the state has none.
   * NOTSPEC: the rules name no default. By the letter not even somebody invited could join.
   */
  get joinRule(): string {
    const rule = this.#find('m.room.join_rules', '')?.content.join_rule
    return typeof rule === 'string' ? rule : 'invite'
  }
}
