import type { ReadDeps, ReadOptions } from '../../rooms/read-options.ts'
import type { UserViewer } from '../../rooms/viewer.ts'
import type { Conn, StreamVector } from '../../store/database.ts'
import type { Behind } from '../../store/sync.ts'
import type { DeliveryDeps } from '../deps.ts'
import type { Moment } from './moment.ts'
import type { News } from './news.ts'
import type { SyncRequest } from './request.ts'
import type { SentToDevice } from './sent-members.ts'

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
