import type { RoomEvent } from '../event.ts'
import { parseUserId } from '../ids.ts'
import { checkBan } from './member-ban.ts'
import type { MemberEvent } from './member-event.ts'
import { checkInvite } from './member-invite.ts'
import { checkJoin } from './member-join.ts'
import { checkKnock } from './member-knock.ts'
import { checkLeave } from './member-leave.ts'
import type { AuthState, Refusal } from './state.ts'

/** 5.6 (5.8 from version 8). */
const unknownMembership = 'the membership is not known'

/** `m.room.member`, authorization rule 5 (4 in versions 6–11). */
export function checkMember(event: RoomEvent, state: AuthState): Refusal {
  // 5.1
  if (!hasStateKey(event)) return 'a member event without a state key'
  if (!Object.hasOwn(event.content, 'membership')) return 'a member event without a membership'
  // 5.2, from version 8. The signature of the user's server is one of those that are checked on receipt.
  if (event.version.restrictedJoins && namesNoAuthoriser(event)) return 'who authorised the join is no user'
  switch (event.content.membership) {
    case 'join':
      return checkJoin(event, state)
    case 'invite':
      return checkInvite(event, state)
    case 'leave':
      return checkLeave(event, state)
    case 'ban':
      return checkBan(event, state)
    case 'knock':
      return event.version.knocking ? checkKnock(event, state) : unknownMembership
    default:
      return unknownMembership
  }
}

/** Whether the content has the key of an authoriser, but with something that no server can have signed for. */
function namesNoAuthoriser({ content }: RoomEvent): boolean {
  const key = 'join_authorised_via_users_server'
  return Object.hasOwn(content, key) && parseUserId(content[key]) === undefined
}

function hasStateKey(event: RoomEvent): event is MemberEvent {
  return event.stateKey !== undefined
}
