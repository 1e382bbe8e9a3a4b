import type { AuthEdges, AuthGraph } from './auth-graph.ts'
import { sweepDown } from './auth-graph.ts'
import type { SplitState, StateMap } from './split.ts'

const bitsPerWord = 31

/**
 * The events, as indices of `graph`, that are in the auth chains of the conflicted events of some sets but not of all.
 * `graph` holds the chains of all conflicted events.
 * NOTSPEC: the chain of a set is taken to hold the set's own events too. By the letter it would hold only what these
 * name, but Synapse, for one, counts them in, and a server that does not ends with another state than all others: an
 * unconflicted event that one fork alone refers to would be ordered, and those that name it after it.
 */
function chainDifference(graph: AuthGraph, sets: readonly StateMap[], split: SplitState): Set<number> {
  const inAny = new Uint8Array(graph.nids.length)
  const inAll = new Uint8Array(graph.nids.length).fill(1)
  for (let first = 0; first < sets.length; first += bitsPerWord) {
    const word = sets.slice(first, first + bitsPerWord)
    const all = 2 ** word.length - 1
    const bits = new Int32Array(graph.nids.length)
    for (const [i, set] of word.entries()) {
      for (const key of split.conflicted.keys()) {
        const nid = set.get(key)
        const index = nid === undefined ? undefined : graph.indexOf.get(nid)
        if (index !== undefined) bits[index] = (bits[index] as number) | (1 << i)
      }
    }
    sweepDown(graph, bits)
    for (let i = 0; i < bits.length; i++) {
      if (bits[i] !== 0) inAny[i] = 1
      if (bits[i] !== all) inAll[i] = 0
    }
  }
  const difference = new Set<number>()
  for (let i = 0; i < inAny.length; i++) if (inAny[i] === 1 && inAll[i] === 0) difference.add(i)
  return difference
}

/**
 * The events of the unconflicted state whose auth chains decide what belongs to the auth difference, and how far down
 * their chains matter: an event that every set has puts its chain into every set's, so that it takes events out of
 * the difference, but only itself and events below. For most forks of an old room these are very few.
 */
export interface AgreedChains {
  readonly roots: readonly number[]
  /** The lowest row id that may belong to the difference. */
  readonly floor: number
}

/** Which chains of the unconflicted state `authDifference` will ask for; `graph` holds those of the conflicted events. */
export function agreedChains(graph: AuthGraph, sets: readonly StateMap[], split: SplitState): AgreedChains {
  return chainsAbove(graph, chainDifference(graph, [...new Set(sets)], split), split)
}

function chainsAbove(graph: AuthGraph, difference: ReadonlySet<number>, split: SplitState): AgreedChains {
  let floor = Infinity
  for (const index of difference) floor = Math.min(floor, graph.nids[index] as number)
  const roots: number[] = []
  if (floor !== Infinity) for (const nid of split.unconflicted.values()) if (nid >= floor) roots.push(nid)
  return { roots, floor }
}

/**
 * The auth difference of the sets: the events that are in some of their full auth chains but not in all (room
 * version 2, "Auth difference"). `graph` holds the chains of all conflicted events. Row ids, ascending.
 */
export function authDifference(
  graph: AuthGraph,
  sets: readonly StateMap[],
  split: SplitState,
  edges: AuthEdges,
): number[] {
  const difference = chainDifference(graph, [...new Set(sets)], split)
  const common = reachedFrom(chainsAbove(graph, difference, split), edges)
  const result: number[] = []
  for (const index of difference) {
    const nid = graph.nids[index] as number
    if (!common.has(nid)) result.push(nid)
  }
  return result.sort((a, b) => a - b)
}

/** The events of these chains, not below their floor, those that they start from too. */
function reachedFrom({ roots, floor }: AgreedChains, edges: AuthEdges): Set<number> {
  const found = new Set(roots)
  // A Set visits what is added during the loop: it is its own queue.
  for (const nid of found) {
    const list = edges(nid)
    for (let i = 0; i < list.length; i++) if ((list[i] as number) >= floor) found.add(list[i] as number)
  }
  return found
}
