import type { RoomEvent } from '../event.ts'
import { requiredState } from './required-state.ts'
import type { Refusal } from './state.ts'
import { stateKeyText } from './state.ts'

/** An event together with what became of it when it was received. */
export interface CheckedEvent {
  readonly event: RoomEvent
  readonly rejected: boolean
}

/**
 * Checks the events that an event names as its auth events, all of them given: authorization rule 2, and in room
 * version 12 rules 2 and 3. `create` is the create event that the room id names, needed from version 12 only.
 */
export function checkAuthEventsSelection(
  event: RoomEvent,
  authEvents: readonly CheckedEvent[],
  create?: CheckedEvent,
): Refusal {
  if (event.type === 'm.room.create') return undefined
  const { roomIdIsCreateHash } = event.version
  if (roomIdIsCreateHash) {
    // Version 12, rule 2.
    if (create === undefined || create.event.type !== 'm.room.create' || create.event.roomId !== event.roomId)
      return 'the room id names no create event'
    if (create.rejected) return 'the create event that the room id names was rejected'
  }
  const allowed = new Set(requiredState(event).map(({ type, stateKey }) => stateKeyText(type, stateKey)))
  const seen = new Set<string>()
  let hasCreate = false
  for (const { event: authEvent, rejected } of authEvents) {
    if (authEvent.stateKey === undefined) return `auth event ${authEvent.eventId} is not a state event`
    const key = stateKeyText(authEvent.type, authEvent.stateKey)
    // Rule 2.1 (3.1).
    if (seen.has(key)) return `two auth events for ${authEvent.type} with the same state key`
    seen.add(key)
    // Rule 2.2 (3.2).
    if (!allowed.has(key)) return `auth event ${authEvent.eventId} of type ${authEvent.type} is not to be selected`
    // Rule 2.3 (3.3).
    if (rejected) return `auth event ${authEvent.eventId} was rejected`
    // Rule 2.5 (3.5).
    if (authEvent.roomId !== event.roomId) return `auth event ${authEvent.eventId} is of another room`
    hasCreate ||= authEvent.type === 'm.room.create'
  }
  // Rule 2.4.
  if (!hasCreate && !roomIdIsCreateHash) return 'no create event among the auth events'
  return undefined
}
