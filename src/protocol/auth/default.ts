import type { RoomEvent } from '../event.ts'
import { checkPowerLevels } from './power-levels-event.ts'
import { checkRedaction } from './redaction.ts'
import type { AuthState, Refusal } from './state.ts'
import { checkThirdPartyInvite } from './third-party-invite.ts'

/**
 * Every event but create, member and old aliases: authorization rules 6–12 (rules 5–10 in versions 6–11, rules 6–11
 * in version 12).
 */
export function checkOther(event: RoomEvent, state: AuthState): Refusal {
  const { type, stateKey, sender, version } = event
  // Rule 6 (5).
  if (state.membershipOf(sender) !== 'join') return 'sender is not joined'
  // Rule 7 (6).
  if (type === 'm.room.third_party_invite') return checkThirdPartyInvite(event, state)
  // Rule 8 (7).
  const levels = state.powerLevels
  const required = levels.requiredFor(type, stateKey !== undefined)
  if (required > levels.levelOf(sender)) return `sender needs level ${required} to send ${type}`
  // Rule 9 (8).
  if (stateKey?.startsWith('@') && stateKey !== sender) return 'the state key is of another user'
  // Rule 10 (9).
  if (type === 'm.room.power_levels') return checkPowerLevels(event, state)
  // Rule 11 of versions 1 and 2.
  if (version.redactionAuthRule && type === 'm.room.redaction') return checkRedaction(event, state)
  return undefined
}
