import type { MemberEvent } from './member-event.ts'
import type { AuthState, Refusal } from './state.ts'

/** `membership: knock`, authorization rule 4.6 of version 7 (4.7 in 8–11, 5.7 in version 12). */
export function checkKnock(event: MemberEvent, state: AuthState): Refusal {
  const { sender, stateKey: target, version } = event
  // .1
  const rule = state.joinRule
  if (rule !== 'knock' && !(rule === 'knock_restricted' && version.knockRestrictedJoins))
    return 'the join rule lets nobody knock'
  // .2
  if (sender !== target) return 'a user cannot knock for another'
  // .3
  const membership = state.membershipOf(sender)
  const isIn = membership === 'ban' || membership === 'invite' || membership === 'join'
  return isIn ? `sender has membership ${membership}` : undefined
}
