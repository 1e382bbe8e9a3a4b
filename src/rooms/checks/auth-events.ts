import { checkAuth } from '../../protocol/auth/check.ts'
import type { CheckedEvent } from '../../protocol/auth/selection.ts'
import { checkAuthEventsSelection } from '../../protocol/auth/selection.ts'
import type { Refusal } from '../../protocol/auth/state.ts'
import { AuthState } from '../../protocol/auth/state.ts'
import type { RoomEvent } from '../../protocol/event.ts'
import type { EventId } from '../../protocol/ids.ts'

/** The create event that a room id of version 12 names; undefined before. */
export function createIdOf(event: RoomEvent): EventId | undefined {
  return event.version.roomIdIsCreateHash && event.type !== 'm.room.create' ? `$${event.roomId.slice(1)}` : undefined
}

/** Check 4 on receipt of a PDU: allowed by the events that it names as its auth events, all of them given. */
export function checkAuthEvents(
  event: RoomEvent,
  authEvents: readonly CheckedEvent[],
  create: CheckedEvent | undefined,
): Refusal {
  const refusal = checkAuthEventsSelection(event, authEvents, create)
  if (refusal !== undefined) return refusal
  return checkAuth(
    event,
    AuthState.of(
      authEvents.map((authEvent) => authEvent.event),
      create?.event,
    ),
  )
}
