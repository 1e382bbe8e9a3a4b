import type { RoomEvent } from '../event.ts'
import { requiredState } from '../auth/required-state.ts'
import type { StateKey } from '../auth/state.ts'
import { stateKeyText } from '../auth/state.ts'
import type { AuthEdges } from './auth-graph.ts'
import type { Conflict } from './full-conflicted-set.ts'

/** The events of which resolution reads more than row ids: the full conflicted set and what its events name as auth events. */
export function eventsToLoad(conflict: Conflict, edges: AuthEdges): number[] {
  const nids = new Set(conflict.full)
  for (const nid of conflict.full) {
    const list = edges(nid)
    for (let i = 0; i < list.length; i++) nids.add(list[i] as number)
  }
  return [...nids].sort((a, b) => a - b)
}

/**
 * The places of the unconflicted state whose events are read as well, given the events of the full conflicted set:
 * what their checks ask for. Before version 12 only, for there the checks start from that state.
 */
export function stateToLoad(events: Iterable<RoomEvent>): StateKey[] {
  const keys = new Map<string, StateKey>()
  for (const event of events) {
    if (event.version.stateResolution === 'v2.1') continue
    for (const key of requiredState(event)) keys.set(stateKeyText(key.type, key.stateKey), key)
  }
  return [...keys.values()]
}
