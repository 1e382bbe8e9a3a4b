import type { Json } from '../json-types.ts'
import type { MemberEvent } from './member-event.ts'
import { invitationToken, objectOrUndefined } from './required-state.ts'
import type { AuthState, Refusal } from './state.ts'
import { hasInvitationSignature } from './invitation-signature.ts'

/** `membership: invite`, authorization rule 5.3 (4.3 in versions 6 and 7, 4.4 in 8–11, 5.4 in version 12). */
export function checkInvite(event: MemberEvent, state: AuthState): Refusal {
  const { sender, stateKey: target, content } = event
  // .1
  if (Object.hasOwn(content, 'third_party_invite'))
    return checkThirdPartyInvitation(event, content.third_party_invite, state)
  // .2
  if (state.membershipOf(sender) !== 'join') return 'sender is not joined'
  // .3
  const membership = state.membershipOf(target)
  if (membership === 'join' || membership === 'ban') return `target has membership ${membership}`
  // .4
  const levels = state.powerLevels
  return levels.levelOf(sender) >= levels.invite ? undefined : 'sender may not invite'
}

function checkThirdPartyInvitation(event: MemberEvent, invitation: Json | undefined, state: AuthState): Refusal {
  const { sender, stateKey: target } = event
  // .1.1
  if (state.membershipOf(target) === 'ban') return 'target is banned'
  // .1.2
  const signed = objectOrUndefined(objectOrUndefined(invitation)?.signed)
  if (signed === undefined) return 'the third-party invite is not signed'
  // .1.3
  const token = invitationToken(invitation)
  if (token === undefined || typeof signed.mxid !== 'string') return 'the third-party invite has no mxid or no token'
  // .1.4
  if (signed.mxid !== target) return 'the third-party invite is for another user'
  // .1.5
  const published = state.get('m.room.third_party_invite', token)
  if (published === undefined) return 'the third-party invite is not in the room'
  // .1.6
  if (published.sender !== sender) return 'the third-party invite was sent by another user'
  // .1.7
  return hasInvitationSignature(signed, published.content) ? undefined : 'no key of the third-party invite signed it'
}
