import type { Filter } from '../../protocol/filter.ts'
import type { ReadDeps, ReadOptions } from '../../rooms/read-options.ts'
import type { UserViewer } from '../../rooms/viewer.ts'
import type { Conn, StreamVector } from '../../store/database.ts'
import type { Behind } from '../../store/sync.ts'
import type { DeliveryDeps } from '../deps.ts'
import type { Moment } from './moment.ts'
import type { News } from './news.ts'
import type { SentToDevice } from './sent-members.ts'
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

/** What the parts of an answer are made with. */
export interface SyncContext {
  readonly deps: DeliveryDeps & ReadDeps
  readonly moment: Moment
  /** that of the moment */
  readonly conn: Conn
  /** what was read for the reader together with others; undefined for one who is answered alone */
  readonly news: News | undefined
  readonly request: SyncRequest
  readonly viewer: UserViewer
  /** undefined: the reader knows nothing */
  readonly since: StreamVector | undefined
  /** the writers that have gone on since then */
  readonly behind: Behind
  readonly typingSince: number | undefined
  /** row ids of users whom the reader ignores */
  readonly ignored: ReadonlySet<number>
  readonly sent: SentToDevice
  /** for `readEvents` */
  readonly reading: ReadOptions
}
