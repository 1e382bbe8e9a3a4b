import type { RoomEvent } from '../../protocol/event.ts'
import type { EventId } from '../../protocol/ids.ts'
import type { RoomsDeps } from '../deps.ts'

/** Check 2 on receipt of a PDU, of many at once: those that pass, and why the others do not. */
export async function checkSignatures(
  deps: Pick<RoomsDeps, 'keyRing'>,
  events: readonly RoomEvent[],
): Promise<{ readonly passed: RoomEvent[]; readonly refusals: ReadonlyMap<EventId, string> }> {
  if (events.length === 0) return { passed: [], refusals: new Map() }
  const refusals = await deps.keyRing.verifyEvents(events)
  return { passed: events.filter(({ eventId }) => refusals.get(eventId) === undefined), refusals }
}
