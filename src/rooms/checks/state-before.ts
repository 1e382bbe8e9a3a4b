import { checkAuth } from '../../protocol/auth/check.ts'
import type { AuthState, Refusal } from '../../protocol/auth/state.ts'
import type { RoomEvent } from '../../protocol/event.ts'

/** Check 5 on receipt of a PDU: allowed by the state before it. */
export function checkStateBefore(event: RoomEvent, before: AuthState | undefined): Refusal {
  return checkAuth(event, before)
}
