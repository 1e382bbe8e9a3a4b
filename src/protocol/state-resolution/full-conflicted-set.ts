import type { RoomVersion } from '../room-version.ts'
import { authDifference } from './auth-difference.ts'
import type { AuthEdges, AuthGraph } from './auth-graph.ts'
import { buildAuthGraph, sweepDown, sweepUp } from './auth-graph.ts'
import type { SplitState, StateMap } from './split.ts'

/** What resolution is about, found from row ids alone, before any event is loaded. */
export interface Conflict {
  readonly split: SplitState
  /** The auth chains of all conflicted events and the events themselves. */
  readonly graph: AuthGraph
  /** The full conflicted set: row ids, ascending. */
  readonly full: readonly number[]
}

/**
 * The full conflicted set: the conflicted state set, the auth difference and, in room version 12, the conflicted
 * state subgraph. `edges` is asked for the chains of the conflicted events and for those of `agreedChains`.
 */
export function findConflict(
  version: RoomVersion,
  sets: readonly StateMap[],
  split: SplitState,
  edges: AuthEdges,
): Conflict {
  const conflicted = new Set<number>()
  for (const events of split.conflicted.values()) for (const nid of events) conflicted.add(nid)
  const graph = buildAuthGraph(conflicted, edges)
  const full = new Set(conflicted)
  for (const nid of authDifference(graph, sets, split, edges)) full.add(nid)
  if (version.stateResolution === 'v2.1') for (const nid of conflictedSubgraph(graph, conflicted)) full.add(nid)
  return { split, graph, full: [...full].sort((a, b) => a - b) }
}

/** The events on the paths from one conflicted event to another along auth edges (room version 12). */
function conflictedSubgraph(graph: AuthGraph, conflicted: ReadonlySet<number>): number[] {
  const above = new Int32Array(graph.nids.length)
  for (let i = 0; i < above.length; i++) if (conflicted.has(graph.nids[i] as number)) above[i] = 1
  const below = above.slice()
  sweepDown(graph, above)
  sweepUp(graph, below)
  return [...graph.nids].filter((_, i) => above[i] === 1 && below[i] === 1)
}
