import { type OracleEvent, type State, type World, eventOf, keyOf } from './event.ts'

/** Events do not change, and so do not their chains. */
const chains = new WeakMap<OracleEvent, ReadonlySet<OracleEvent>>()

/** "Auth chain": all of an event's auth events, all of theirs, and so on. The event itself is not in it. */
export function authChain(world: World, event: OracleEvent): ReadonlySet<OracleEvent> {
  const known = chains.get(event)
  if (known !== undefined) return known
  const chain = new Set<OracleEvent>()
  for (const id of event.auth_events) {
    const entry = eventOf(world, id)
    chain.add(entry)
    for (const further of authChain(world, entry)) chain.add(further)
  }
  chains.set(event, chain)
  return chain
}

/** "Unconflicted state map and conflicted state set". */
export function split(states: readonly State[]): { unconflicted: State; conflicted: Set<OracleEvent> } {
  const unconflicted: State = new Map()
  const conflicted = new Set<OracleEvent>()
  for (const event of states.flatMap((state) => [...state.values()])) {
    if (states.every((state) => state.get(keyOf(event)) === event)) unconflicted.set(keyOf(event), event)
    else conflicted.add(event)
  }
  return { unconflicted, conflicted }
}

/** "Auth difference": what is in the full auth chain of some state and not in that of every state. */
export function authDifference(world: World, states: readonly State[]): Set<OracleEvent> {
  const { chainsHoldOwnEvents } = world.reading
  const chains = states.map((state) =>
    union([
      ...[...state.values()].map((event) => authChain(world, event)),
      ...(chainsHoldOwnEvents ? [new Set(state.values())] : []),
    ]),
  )
  return new Set([...union(chains)].filter((event) => !chains.every((chain) => chain.has(event))))
}

/** "Conflicted state subgraph" of version 12: whatever lies on a path between two conflicted events, ends included. */
export function conflictedSubgraph(world: World, conflicted: ReadonlySet<OracleEvent>): Set<OracleEvent> {
  const subgraph = new Set<OracleEvent>()
  for (const from of conflicted) {
    for (const to of conflicted) {
      if (!authChain(world, from).has(to)) continue
      subgraph.add(from).add(to)
      for (const between of authChain(world, from)) {
        if (authChain(world, between).has(to)) subgraph.add(between)
      }
    }
  }
  return subgraph
}

export function union(sets: readonly ReadonlySet<OracleEvent>[]): Set<OracleEvent> {
  const all = new Set<OracleEvent>()
  for (const set of sets) for (const event of set) all.add(event)
  return all
}
