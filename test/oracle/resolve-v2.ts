import { judgeInState, withCreate } from './auth.ts'
import { authChain, authDifference, conflictedSubgraph, split, union } from './chains.ts'
import { type OracleEvent, type State, type World, eventOf, keyOf, own, stateKey } from './event.ts'
import { mainlineOrdering, powerOrdering } from './orderings.ts'

/** State resolution of room versions 2 to 11 and, with version 12's modifications, "v2.1". */
export function resolveV2(world: World, states: readonly State[]): State {
  const { unconflicted, conflicted } = split(states)
  const difference = authDifference(world, states)
  const full = union([conflicted, difference, world.version >= 12 ? conflictedSubgraph(world, conflicted) : new Set()])

  const powerful = new Set<OracleEvent>()
  for (const event of full) {
    if (!isPowerEvent(event)) continue
    powerful.add(event)
    for (const entry of authChain(world, event)) if (full.has(entry)) powerful.add(entry)
  }
  const start: State = world.version >= 12 ? new Map() : unconflicted
  const partial = iterativeAuthChecks(world, start, powerOrdering(world, powerful))

  const rest = [...full].filter((event) => !powerful.has(event))
  const power = partial.get(stateKey('m.room.power_levels', ''))
  const resolved = iterativeAuthChecks(world, partial, mainlineOrdering(world, power, rest))
  for (const [key, event] of unconflicted) resolved.set(key, event)
  return resolved
}

/** "Power events". */
function isPowerEvent(event: OracleEvent): boolean {
  if (event.state_key === undefined) return false
  if (event.type === 'm.room.power_levels' || event.type === 'm.room.join_rules') return true
  if (event.type !== 'm.room.member' || event.sender === event.state_key) return false
  const membership = own(event.content, 'membership')
  return membership === 'leave' || membership === 'ban'
}

/** "Iterative auth checks": what the state lacks is taken from the event's own auth events, unless those are rejected. */
function iterativeAuthChecks(world: World, start: State, events: readonly OracleEvent[]): State {
  const state: State = new Map(start)
  for (const event of events) {
    const room: State = new Map(state)
    for (const id of event.auth_events) {
      const entry = eventOf(world, id)
      if (!room.has(keyOf(entry)) && !world.rejected.has(id)) room.set(keyOf(entry), entry)
    }
    if (judgeInState(world, event, withCreate(world, event, room)).allowed) state.set(keyOf(event), event)
  }
  return state
}
