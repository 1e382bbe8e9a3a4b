import type { Filter } from '../../protocol/filter.ts'
import type { UserViewer } from '../../rooms/viewer.ts'
import type { SyncToken } from './token.ts'

/** The name under which the state at the end of the timeline is asked for and answered. */
export type StateAfterKey = 'state_after' | 'org.matrix.msc4222.state_after'

/** What `/sync` is asked for. */
export interface SyncRequest {
  readonly viewer: UserViewer
  /** undefined: from the beginning */
  readonly since: SyncToken | undefined
  /** as it came */
  readonly sinceText: string | undefined
  readonly filter: Filter
  readonly fullState: boolean
  /** undefined: the state at the start of the timeline is wanted */
  readonly stateAfterKey: StateAfterKey | undefined
}

/** An answer to `/sync`. */
export interface SyncAnswer {
  readonly body: object
  readonly isEmpty: boolean
  /** up to where it goes */
  readonly now: SyncToken
}
