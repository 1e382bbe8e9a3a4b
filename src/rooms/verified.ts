import type { RoomEvent } from '../protocol/event.ts'
import type { EventId } from '../protocol/ids.ts'
import { redactUnlessHashed } from './checks/content-hash.ts'
import { checkSignatures } from './checks/signatures.ts'
import type { LiveDeps } from './receive-live.ts'
import type { ReceivedVerdict } from './verdict.ts'

/** The verdict on what is not stored. */
export function refused(error: string, eventId?: EventId): ReceivedVerdict {
  return { ...(eventId === undefined ? {} : { eventId }), verdict: 'refused', error }
}

/** Checks 2 and 3, then `go` with what passed. */
export async function verified(
  deps: Pick<LiveDeps, 'keyRing'>,
  events: readonly RoomEvent[],
  go: (passed: RoomEvent[]) => Promise<Map<EventId, ReceivedVerdict>>,
): Promise<Map<EventId, ReceivedVerdict>> {
  const { passed, refusals } = await checkSignatures(deps, events)
  const verdicts = await go(passed.map(redactUnlessHashed))
  for (const [eventId, error] of refusals) verdicts.set(eventId, refused(error, eventId))
  return verdicts
}
