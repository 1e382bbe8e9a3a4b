import { createHash } from 'node:crypto'
import { judgeInState, withCreate } from './auth.ts'
import { type OracleEvent, type State, type World } from './event.ts'

/**
 * State resolution of room version 1. A conflict is only where states hold different events under one key: an entry that
 * some of them lack is none.
 */
export function resolveV1(world: World, states: readonly State[]): State {
  const candidates = new Map<string, Set<OracleEvent>>()
  for (const state of states) {
    for (const [key, event] of state) candidates.set(key, (candidates.get(key) ?? new Set()).add(event))
  }
  const resolved: State = new Map()
  for (const [key, events] of candidates) {
    const [only, ...others] = events
    if (only !== undefined && others.length === 0) resolved.set(key, only)
  }
  const conflicts = [...candidates].filter(([, events]) => events.size > 1)
  for (const type of ['m.room.power_levels', 'm.room.join_rules', 'm.room.member']) {
    // The text gives no order to conflicts of one type; each is settled on the result of the passes before.
    const before = new Map(resolved)
    for (const [key, events] of conflicts) {
      const list = [...events]
      if (list[0]?.type === type) resolved.set(key, settle(world, before, key, list))
    }
  }
  for (const [key, events] of conflicts) {
    if (resolved.has(key)) continue
    const list = [...events].sort((a, b) => b.depth - a.depth || compare(sha1(a), sha1(b)))
    const picked = list.find((event) => judgeInState(world, event, withCreate(world, event, resolved)).allowed)
    const last = list.at(-1)
    if (picked === undefined && last !== undefined && world.reading.keepsEarliestOfRefused) resolved.set(key, last)
    if (picked !== undefined) resolved.set(key, picked)
  }
  return resolved
}

/** One of the first passes: the first event stands, each next one that is allowed replaces it, the first refused ends it. */
function settle(world: World, before: State, key: string, events: readonly OracleEvent[]): OracleEvent {
  const list = [...events].sort((a, b) => a.depth - b.depth || compare(sha1(b), sha1(a)))
  const [first, ...rest] = list
  if (first === undefined) throw new Error('nothing to settle')
  const room = new Map(before).set(key, first)
  let standing = first
  for (const event of rest) {
    if (!judgeInState(world, event, room).allowed) break
    room.set(key, event)
    standing = event
  }
  return standing
}

function sha1(event: OracleEvent): string {
  return createHash('sha1').update(event.event_id).digest('hex')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
