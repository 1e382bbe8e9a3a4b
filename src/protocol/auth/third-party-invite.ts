import type { RoomEvent } from '../event.ts'
import type { AuthState, Refusal } from './state.ts'

/** `m.room.third_party_invite`, authorization rule 7 (6 in versions 6–11). Nothing else is asked of it. */
export function checkThirdPartyInvite(event: RoomEvent, state: AuthState): Refusal {
  const levels = state.powerLevels
  return levels.levelOf(event.sender) >= levels.invite ? undefined : 'sender may not invite'
}
