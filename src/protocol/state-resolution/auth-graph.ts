import { NidRanks } from './nid-ranks.ts'

/** The auth events of an event, as row ids; each lower than the event's own. */
export type AuthEdges = (eventNid: number) => ArrayLike<number>

/**
 * A part of a room's auth graph in packed arrays. Events have small indices here, in ascending order of row id, so
 * that every edge points to a lower index and one pass over the indices is a walk of the whole graph.
 */
export interface AuthGraph {
  /** The row id at each index, ascending. */
  readonly nids: Float64Array
  /** The edges of index `i` are `targets[starts[i]]` up to `targets[starts[i + 1] - 1]`, as indices. */
  readonly starts: Int32Array
  readonly targets: Int32Array
  /** The index of an event, undefined for one outside the graph. */
  readonly indexOf: Pick<NidRanks, 'get'>
}

/**
 * Everything that can be reached from these events along auth edges, themselves included. Throws RangeError for an
 * edge that does not descend.
 */
export function buildAuthGraph(roots: Iterable<number>, edges: AuthEdges): AuthGraph {
  const first = [...roots]
  const indexOf = new NidRanks(first.reduce((highest, nid) => Math.max(highest, nid), 0))
  for (const nid of first) indexOf.add(nid)
  const lists: ArrayLike<number>[] = []
  const descending: number[] = []
  let edgeCount = 0
  // every edge descends, so that going down once meets everything
  indexOf.descend((nid) => {
    const list = edges(nid)
    descending.push(nid)
    lists.push(list)
    edgeCount += list.length
    for (let i = 0; i < list.length; i++) {
      const target = list[i] as number
      if (target >= nid) throw new RangeError(`auth edge from ${nid} to ${target} does not descend`)
      indexOf.add(target)
    }
  })
  const nids = new Float64Array(indexOf.rank())
  const starts = new Int32Array(nids.length + 1)
  const targets = new Int32Array(edgeCount)
  let end = 0
  for (let i = 0; i < nids.length; i++) {
    const at = nids.length - 1 - i
    const list = lists[at] as ArrayLike<number>
    nids[i] = descending[at] as number
    for (let j = 0; j < list.length; j++) targets[end++] = indexOf.get(list[j] as number) as number
    starts[i + 1] = end
  }
  return { nids, starts, targets, indexOf }
}

/**
 * Hands bits down the auth edges: afterwards the bits of an event are the union of those given to it and of all bits
 * of the events that name it, directly or not.
 */
export function sweepDown(graph: AuthGraph, bits: Int32Array): void {
  const { starts, targets } = graph
  for (let i = bits.length - 1; i >= 0; i--) {
    const own = bits[i] as number
    if (own === 0) continue
    const end = starts[i + 1] as number
    for (let j = starts[i] as number; j < end; j++) {
      const target = targets[j] as number
      bits[target] = (bits[target] as number) | own
    }
  }
}

/** Hands bits up the auth edges: the union of those given to an event and those of all that it names, directly or not. */
export function sweepUp(graph: AuthGraph, bits: Int32Array): void {
  const { starts, targets } = graph
  for (let i = 0; i < bits.length; i++) {
    let own = bits[i] as number
    const end = starts[i + 1] as number
    for (let j = starts[i] as number; j < end; j++) own |= bits[targets[j] as number] as number
    bits[i] = own
  }
}
