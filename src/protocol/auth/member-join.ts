import type { RoomEvent } from '../event.ts'
import { creatorsOf } from '../power-levels.ts'
import type { MemberEvent } from './member-event.ts'
import type { AuthState, Refusal } from './state.ts'

/** `membership: join`, authorization rule 5.2 (4.2 in versions 6 and 7, 4.3 in 8–11, 5.3 in version 12). */
export function checkJoin(event: MemberEvent, state: AuthState): Refusal {
  const { sender, stateKey: target, version } = event
  // .1
  if (isFirstJoin(event, state.create)) return undefined
  // .2
  if (sender !== target) return 'a user cannot join another'
  // .3
  const membership = state.membershipOf(target)
  if (membership === 'ban') return 'sender is banned'
  const invited = membership === 'invite' || membership === 'join'
  const rule = state.joinRule
  // .4
  if (rule === 'invite' || (rule === 'knock' && version.knocking)) return invited ? undefined : 'sender is not invited'
  // .5 from version 8
  const restricted =
    (rule === 'restricted' && version.restrictedJoins) || (rule === 'knock_restricted' && version.knockRestrictedJoins)
  if (restricted) return invited ? undefined : checkAuthoriser(event, state)
  // .5 (.6 from version 8)
  return rule === 'public' ? undefined : 'the join rule lets nobody join'
}

function isFirstJoin(event: MemberEvent, create: RoomEvent): boolean {
  if (event.prevEventIds.length !== 1 || event.prevEventIds[0] !== create.eventId) return false
  // The additional creators of version 12 join like everybody else.
  return create.version.creatorIsSender ? event.stateKey === create.sender : creatorsOf(create).has(event.stateKey)
}

function checkAuthoriser(event: MemberEvent, state: AuthState): Refusal {
  const authoriser = event.content.join_authorised_via_users_server
  if (typeof authoriser !== 'string') return 'nobody authorised the join'
  if (state.membershipOf(authoriser) !== 'join') return 'who authorised the join is not joined'
  const levels = state.powerLevels
  return levels.levelOf(authoriser) >= levels.invite ? undefined : 'who authorised the join may not invite'
}
