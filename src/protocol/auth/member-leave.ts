import type { MemberEvent } from './member-event.ts'
import type { AuthState, Refusal } from './state.ts'

/** `membership: leave`, authorization rule 5.4 (4.4 in versions 6 and 7, 4.5 in 8–11, 5.5 in version 12). */
export function checkLeave(event: MemberEvent, state: AuthState): Refusal {
  const { sender, stateKey: target, version } = event
  const membership = state.membershipOf(target)
  // .1
  if (sender === target) {
    const mayLeave = membership === 'invite' || membership === 'join' || (membership === 'knock' && version.knocking)
    return mayLeave ? undefined : 'sender is not in the room'
  }
  // .2
  if (state.membershipOf(sender) !== 'join') return 'sender is not joined'
  // .3
  const levels = state.powerLevels
  const power = levels.levelOf(sender)
  if (membership === 'ban' && power < levels.ban) return 'sender may not unban'
  // .4
  if (power < levels.kick) return 'sender may not kick'
  return levels.levelOf(target) < power ? undefined : 'target has as much power as the sender'
}
