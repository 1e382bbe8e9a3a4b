import type { RoomEvent } from '../event.ts'
import { serverNameOf } from '../ids.ts'
import type { AuthState, Refusal } from './state.ts'

/** `m.room.redaction`, authorization rule 11 of room versions 1 and 2. */
export function checkRedaction(event: RoomEvent, state: AuthState): Refusal {
  const levels = state.powerLevels
  // 11.1
  if (levels.levelOf(event.sender) >= levels.redact) return undefined
  // 11.2
  if (event.redacts !== undefined && serverNameOf(event.redacts) === serverNameOf(event.eventId)) return undefined
  return 'sender may not redact'
}
