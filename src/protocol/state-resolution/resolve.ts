import type { Conflict } from './full-conflicted-set.ts'
import type { ResolutionInput } from './input.ts'
import { resolveV1 } from './v1.ts'
import { resolveV2 } from './v2.ts'

/**
 * The state that these states make together, by the algorithm of the room's version. `conflict`, not read for room
 * version 1, where the caller has found it already.
 *
 * What must be loaded: version 1, the events of all conflicted keys and what `stateToLoad` names for them; from
 * version 2, in this order, the auth chains (row ids and keys) of the conflicted events of `splitState`, those of
 * `agreedChains`, the events of `eventsToLoad`, and what `stateToLoad` names for the full conflicted set.
 */
export function resolveState(input: ResolutionInput, conflict?: Conflict): Map<number, number> {
  return input.version.stateResolution === 'v1' ? resolveV1(input) : resolveV2(input, conflict)
}
