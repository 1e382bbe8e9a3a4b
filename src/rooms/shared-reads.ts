import type { EventId } from '../protocol/ids.ts'
import { Memo } from '../util/memo.ts'

/** What reads of one moment share, whoever reads. */
export interface SharedReads {
  /** which kinds of relations events have, by the events' ids */
  readonly relationKinds: Memo<readonly { readonly parent: EventId; readonly rel_type: string }[]>
}

/** For reads inside one snapshot. */
export function makeSharedReads(): SharedReads {
  return { relationKinds: new Memo() }
}
