import type { Sessions } from '../accounts/sessions.ts'
import type { Destinations } from '../federation/destinations.ts'
import type { BlobFiles } from '../media/blob-files.ts'
import type { RoomsDeps } from '../rooms/deps.ts'
import type { Eraser } from './erasure/eraser.ts'
import type { ErasureJournal } from './erasure-journal.ts'

/** What erasures need from the rest of the server. */
export interface PrivacyDeps extends RoomsDeps {
  readonly sessions: Sessions
  readonly blobFiles: BlobFiles
  readonly destinations: Pick<Destinations, 'onContact'>
  /** opened by `openErasureJournal` before the rest of the server is put together */
  readonly journal: ErasureJournal
  /** works through the jobs; started by `startPrivacy` */
  readonly eraser: Eraser
}
