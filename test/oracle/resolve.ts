import type { State, World } from './event.ts'
import { resolveV1 } from './resolve-v1.ts'
import { resolveV2 } from './resolve-v2.ts'

/** The resolution of a set of states by the algorithm of the room's version. */
export function resolve(world: World, states: readonly State[]): State {
  return world.version === 1 ? resolveV1(world, states) : resolveV2(world, states)
}
