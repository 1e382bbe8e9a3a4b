import type { RoomEvent } from '../event.ts'
import { sha1Hex } from '../hash.ts'
import { checkAuth } from '../auth/check.ts'
import { AuthState } from '../auth/state.ts'
import type { ResolutionInput } from './input.ts'
import type { StateMap } from './split.ts'

const passes = ['m.room.power_levels', 'm.room.join_rules', 'm.room.member']

/**
 * State resolution of room version 1 (specification, "Room Version 1", "State resolution"). Here a key is in conflict
 * if two sets have different events for it; that a set lacks it does not count. The resolved state is new.
 */
export function resolveV1(input: ResolutionInput): Map<number, number> {
  const resolved = new Map<number, number>()
  const conflicts = new Map<number, number[]>()
  for (const [key, events] of differentEvents(input.sets)) {
    if (events.length === 1) resolved.set(key, events[0] as number)
    else conflicts.set(key, ascending(input, events))
  }
  const typeOf = (events: readonly number[]): string => input.event(events[0] as number).type
  for (const type of passes) {
    const picked = new Map<number, number>()
    for (const [key, events] of conflicts)
      if (typeOf(events) === type) picked.set(key, lastOfUnbrokenRun(input, resolved, events))
    for (const [key, nid] of picked) resolved.set(key, nid)
  }
  const others = new Map<number, number>()
  for (const [key, events] of conflicts) {
    if (passes.includes(typeOf(events))) continue
    const allowed = events.findLast((nid) => isAllowed(input, resolved, nid))
    // NOTSPEC: the text does not say what to pick where none is allowed, so that by the letter none would be left. The
    // earliest is what was there first, and what other servers keep.
    others.set(key, allowed ?? (events[0] as number))
  }
  for (const [key, nid] of others) resolved.set(key, nid)
  return resolved
}

function differentEvents(sets: readonly StateMap[]): Map<number, number[]> {
  const byKey = new Map<number, number[]>()
  for (const set of new Set(sets))
    for (const [key, nid] of set) {
      const events = byKey.get(key)
      if (events === undefined) byKey.set(key, [nid])
      else if (!events.includes(nid)) events.push(nid)
    }
  return byKey
}

/** By ascending depth, then descending SHA-1 of the event id. */
function ascending(input: ResolutionInput, events: readonly number[]): number[] {
  return events
    .map((nid) => {
      const { depth, eventId } = input.event(nid)
      return { nid, depth, hash: sha1Hex(eventId) }
    })
    .sort((x, y) => x.depth - y.depth || (x.hash < y.hash ? 1 : -1))
    .map(({ nid }) => nid)
}

/** Takes the first event as given and every next one while it is allowed on top of the one before. */
function lastOfUnbrokenRun(input: ResolutionInput, resolved: StateMap, events: readonly number[]): number {
  let last = events[0] as number
  for (const nid of events.slice(1)) {
    if (!isAllowed(input, resolved, nid, last)) break
    last = nid
  }
  return last
}

function isAllowed(input: ResolutionInput, resolved: StateMap, nid: number, instead?: number): boolean {
  const insteadKey = instead === undefined ? undefined : input.keyOf(instead)
  const find = (type: string, stateKey: string): RoomEvent | undefined => {
    const key = input.keyNid(type, stateKey)
    if (key === undefined) return undefined
    const found = key === insteadKey ? instead : resolved.get(key)
    return found === undefined ? undefined : input.event(found)
  }
  return checkAuth(input.event(nid), new AuthState(input.create, find)) === undefined
}
