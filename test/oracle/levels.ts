import { type OracleEvent, type State, has, isObject, own, stateKey } from './event.ts'

/**
 * One power level as the room version writes it. An integer everywhere; a string that is an integer in versions 1 to 9
 * ("power_levels events accept values as strings"); a float in versions 1 to 5 ("accept values as floats").
 * @returns the level, or undefined where the value is none
 */
export function readLevel(version: number, value: unknown): number | undefined {
  if (typeof value === 'number') {
    if (Number.isInteger(value)) return value
    if (version <= 5 && Number.isFinite(value)) return Math.trunc(value)
    return undefined
  }
  if (typeof value === 'string' && version <= 9) {
    return /^\s*[+-]?[0-9]+\s*$/.test(value) ? Number(value.trim()) : undefined
  }
  return undefined
}

/** The creators: `content.creator` to version 10, the sender of the create event after it, in 12 with additional ones. */
export function creatorsOf(version: number, create: OracleEvent | undefined): string[] {
  if (create === undefined) return []
  if (version <= 10) {
    const creator = own(create.content, 'creator')
    return typeof creator === 'string' ? [creator] : []
  }
  const more = version >= 12 ? own(create.content, 'additional_creators') : undefined
  return [create.sender, ...(Array.isArray(more) ? more.filter((one) => typeof one === 'string') : [])]
}

/** The levels of a room, read from its power levels event and, where that is missing, from the defaults. */
export interface Levels {
  userLevel(user: string): number
  requiredLevel(type: string, isState: boolean): number
  readonly invite: number
  readonly kick: number
  readonly ban: number
  readonly redact: number
}

export function levelsOf(version: number, create: OracleEvent | undefined, power: OracleEvent | undefined): Levels {
  const creators = creatorsOf(version, create)
  function level(name: string, otherwise: number): number {
    if (power === undefined) return otherwise
    return readLevel(version, own(power.content, name)) ?? otherwise
  }
  return {
    userLevel(user) {
      if (version >= 12 && creators.includes(user)) return Infinity
      if (power === undefined) return version <= 11 && creators.includes(user) ? 100 : 0
      return readLevel(version, own(own(power.content, 'users'), user)) ?? level('users_default', 0)
    },
    requiredLevel(type, isState) {
      const listed = power && readLevel(version, own(own(power.content, 'events'), type))
      if (listed !== undefined) return listed
      return isState ? level('state_default', 50) : level('events_default', 0)
    },
    invite: level('invite', 0),
    kick: level('kick', 50),
    ban: level('ban', 50),
    redact: level('redact', 50),
  }
}

export function levelsIn(version: number, state: State): Levels {
  return levelsOf(version, state.get(stateKey('m.room.create', '')), state.get(stateKey('m.room.power_levels', '')))
}

/** The levels that stand in a member of a power levels event's content: `users`, `events`, `notifications`. */
export function entriesOf(version: number, content: unknown, name: string): Map<string, number> {
  const entries = new Map<string, number>()
  const object = own(content, name)
  if (!isObject(object)) return entries
  for (const key of Object.keys(object)) {
    if (!has(object, key)) continue
    const value = readLevel(version, object[key])
    if (value !== undefined) entries.set(key, value)
  }
  return entries
}
