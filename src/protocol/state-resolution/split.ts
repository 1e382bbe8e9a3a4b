/** State as row ids: from the row id of a (type, state key) pair to that of the event in force there. */
export type StateMap = ReadonlyMap<number, number>

/** Sets of state, told apart by whether they agree. */
export interface SplitState {
  /** What every set has, with the same event (the "unconflicted state map"). */
  readonly unconflicted: Map<number, number>
  /** For every key on which the sets differ, or that some lack: the different events, ascending (the "conflicted state set"). */
  readonly conflicted: ReadonlyMap<number, readonly number[]>
}

/** Divides state sets, at least one, into what they agree on and what they do not (room version 2, "Definitions"). */
export function splitState(sets: readonly StateMap[]): SplitState {
  const [first = new Map<number, number>(), ...others] = [...new Set(sets)]
  const unconflicted = new Map<number, number>()
  const differing = new Set<number>()
  const matched = others.map(() => 0)
  for (const [key, event] of first) {
    let agreed = true
    for (let i = 0; i < others.length; i++) {
      const other = others[i]?.get(key)
      if (other !== undefined) matched[i] = (matched[i] ?? 0) + 1
      if (other !== event) agreed = false
    }
    if (agreed) unconflicted.set(key, event)
    else differing.add(key)
  }
  // A set as large as what was found of it has no key that the first lacks.
  for (const [i, other] of others.entries())
    if (other.size !== matched[i]) for (const key of other.keys()) if (!first.has(key)) differing.add(key)

  const conflicted = new Map<number, readonly number[]>()
  for (const key of differing) {
    const events = new Set<number>()
    for (const set of [first, ...others]) {
      const event = set.get(key)
      if (event !== undefined) events.add(event)
    }
    conflicted.set(
      key,
      [...events].sort((a, b) => a - b),
    )
  }
  return { unconflicted, conflicted }
}

/** The row ids of the (type, state key) pairs on which the sets differ. */
export function conflictedKeys(sets: readonly StateMap[]): number[] {
  return [...splitState(sets).conflicted.keys()]
}
