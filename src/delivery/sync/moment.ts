import type { ReadDeps } from '../../rooms/read-options.ts'
import type { SharedReads } from '../../rooms/shared-reads.ts'
import { makeSharedReads } from '../../rooms/shared-reads.ts'
import type { Conn } from '../../store/database.ts'
import type { ReadRow } from '../../store/read-rows.ts'
import type { ShownReceipt } from '../../store/receipts.ts'
import { readVector } from '../../store/sync.ts'
import { Memo } from '../../util/memo.ts'
import type { RawJson } from '../../util/raw-json.ts'
import type { DeliveryDeps } from '../deps.ts'
import { formatSyncToken } from './token.ts'
import type { SyncToken } from './token.ts'

/** One moment of the database, for all whose answers are read in it. What does not depend on the reader is read once. */
export interface Moment {
  readonly conn: Conn
  readonly now: SyncToken
  /** `now` as clients get it */
  readonly next: string
  readonly timelines: Memo<readonly ReadRow[]>
  readonly receipts: Memo<readonly ShownReceipt[]>
  readonly shared: SharedReads
  /** whole answers that tell of one room, by its section */
  readonly bodies: Map<RawJson, RawJson>
}

/** The moment that a connection sees, inside a snapshot. */
export async function momentOf(deps: DeliveryDeps & ReadDeps, conn: Conn): Promise<Moment> {
  const now: SyncToken = { vector: await readVector(conn), typing: deps.typing.serial }
  await deps.erased.refresh(conn)
  return {
    conn,
    now,
    next: formatSyncToken(deps.tokenEpoch, now),
    timelines: new Memo(),
    receipts: new Memo(),
    shared: makeSharedReads(),
    bodies: new Map(),
  }
}
