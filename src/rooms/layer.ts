import type { StateDelta } from '../store/state-group-codec.ts'

/** One stored layer of a state; see layers.ts. */
export interface Layer {
  readonly groupNid: number
  readonly parent: number | null
  /** Its class: 0 is a whole state, a child's class is higher than its parent's, 3 the highest. */
  readonly layer: number
  readonly hash: bigint
  readonly delta: StateDelta
}
