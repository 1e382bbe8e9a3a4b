import type { MemberEvent } from './member-event.ts'
import type { AuthState, Refusal } from './state.ts'

/** `membership: ban`, authorization rule 5.5 (4.5 in versions 6 and 7, 4.6 in 8–11, 5.6 in version 12). */
export function checkBan(event: MemberEvent, state: AuthState): Refusal {
  const { sender, stateKey: target } = event
  // .1
  if (state.membershipOf(sender) !== 'join') return 'sender is not joined'
  // .2
  const levels = state.powerLevels
  const power = levels.levelOf(sender)
  if (power < levels.ban) return 'sender may not ban'
  return levels.levelOf(target) < power ? undefined : 'target has as much power as the sender'
}
