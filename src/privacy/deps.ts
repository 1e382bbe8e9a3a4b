import type { Sessions } from '../accounts/sessions.ts'
import type { Destinations } from '../federation/destinations.ts'
import type { BlobFiles } from '../media/blob-files.ts'
import type { RoomsDeps } from '../rooms/deps.ts'
import type { Budget } from '../util/budget.ts'
import type { ErasureJournal } from './erasure-journal.ts'

/** What drives the erasures of this process: `Eraser`. */
export interface ErasureWork {
  /** redactions of all erasures together; undefined: no limit */
  readonly bucket: Budget | undefined
  /** aborted when the server stops */
  readonly signal: AbortSignal
  /** enough for work that is asked for by hand: nothing is begun */
  prepare(deps: PrivacyDeps): void
  /** begins to work */
  start(deps: PrivacyDeps): void
  /** resolves when nothing is under way */
  settled(): Promise<void>
  /** runs `fn` alone among those of the same key in this process */
  alone<T>(key: string, fn: () => Promise<T>): Promise<T>
  /** stops after the write that is under way */
  stop(): Promise<void>
  /** there is something to do */
  wake(): void
  /** somebody who may hold what an erased person wrote is gone */
  holdersChanged(): void
}

/** What erasures need from the rest of the server. */
export interface PrivacyDeps extends RoomsDeps {
  readonly sessions: Sessions
  readonly blobFiles: BlobFiles
  readonly destinations: Pick<Destinations, 'onContact'>
  /** opened by `openErasureJournal` before the rest of the server is put together */
  readonly journal: ErasureJournal
  /** works through the jobs; started once everything is there */
  readonly eraser: ErasureWork
}
