import type { RoomEvent } from '../../protocol/event.ts'
import { checkContentHash } from '../../protocol/hash.ts'
import { pruneEvent } from '../../protocol/redact.ts'

/** Check 3 on receipt of a PDU: an event whose content hash is wrong goes on as its redacted copy. */
export function redactUnlessHashed(event: RoomEvent): RoomEvent {
  return checkContentHash(event) === undefined ? event : pruneEvent(event)
}
