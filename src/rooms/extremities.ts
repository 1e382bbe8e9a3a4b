import type { EventId } from '../protocol/ids.ts'
import type { Tx } from '../store/database.ts'
import type { KnownEvent } from '../store/events.ts'
import { listEvents, listKnownEvents } from '../store/events.ts'
import { deleteBackwardExtremity, listReferrers, putForwardExtremities } from '../store/extremities.ts'
import { eventOfRow } from './events.ts'
import type { Extremity, Room } from './room.ts'

/** What the extremities need to know of a new event. */
interface NewEvent {
  readonly event: { readonly eventId: EventId; readonly prevEventIds: readonly EventId[]; readonly depth: number }
  readonly isLocal: boolean
  readonly endsAll?: boolean
  readonly arrival: 'live' | 'old'
  readonly previous?: ReadonlyMap<EventId, KnownEvent>
}

const mostPassed = 100

/**
 * The forward extremities after an event: without those that it names, also by way of soft-failed and rejected events,
 * and with itself, unless it is not shown, is history, or is named already by an event that came before it.
 */
export async function applyForwardExtremities(
  tx: Tx,
  room: Room,
  { event, isLocal, endsAll, arrival, previous }: NewEvent,
  stored: { readonly eventNid: number; readonly groupAfter: number; readonly isShown: boolean },
): Promise<readonly Extremity[]> {
  let isNamed = false
  if (!isLocal) {
    isNamed = (await listReferrers(tx, room.nid, event.eventId)).length > 0
    if (isNamed) await deleteBackwardExtremity(tx, room.nid, event.eventId)
  }
  if (!stored.isShown || arrival === 'old') return room.extremities
  const isExtremity = new Set(room.extremities.map(({ eventId }) => eventId))
  // ours names the newest of all extremities, and ends the others
  const named =
    isLocal || endsAll === true
      ? isExtremity
      : await namedExtremities(tx, room, event.prevEventIds, previous, isExtremity)
  const removed = room.extremities.filter(({ eventId }) => named.has(eventId))
  const kept = room.extremities.filter(({ eventId }) => !named.has(eventId))
  await putForwardExtremities(tx, {
    roomNid: room.nid,
    removed: removed.map(({ eventNid }) => eventNid),
    added: isNamed ? undefined : stored.eventNid,
  })
  if (isNamed) return kept
  const { eventId, depth } = event
  return [...kept, { eventNid: stored.eventNid, eventId, depth, stateAfter: stored.groupAfter }]
}

/** The extremities among these events and, where these are soft-failed or rejected, among those that they name. */
async function namedExtremities(
  tx: Tx,
  room: Room,
  prevEventIds: readonly EventId[],
  previous: ReadonlyMap<EventId, KnownEvent> | undefined,
  isExtremity: ReadonlySet<EventId>,
): Promise<Set<EventId>> {
  const named = new Set<EventId>()
  const seen = new Set<EventId>()
  let known = previous ?? (await listKnownEvents(tx, prevEventIds))
  let wanted: readonly EventId[] = prevEventIds
  while (wanted.length > 0 && seen.size < mostPassed) {
    const hidden: number[] = []
    for (const eventId of wanted) {
      if (seen.has(eventId)) continue
      seen.add(eventId)
      const row = known.get(eventId)
      if (isExtremity.has(eventId)) named.add(eventId)
      else if (row !== undefined && (row.softFailed || row.rejected !== null) && row.roomNid === room.nid)
        hidden.push(row.eventNid)
    }
    const rows = await listEvents(tx, hidden)
    wanted = rows.flatMap((row) => eventOfRow(room, row).prevEventIds)
    known = await listKnownEvents(tx, wanted)
  }
  return named
}
