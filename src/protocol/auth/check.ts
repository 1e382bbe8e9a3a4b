import type { RoomEvent } from '../event.ts'
import { serverNameOf } from '../ids.ts'
import { checkAliases } from './aliases.ts'
import { checkCreate } from './create.ts'
import { checkOther } from './default.ts'
import { checkMember } from './member.ts'
import type { AuthState, Refusal } from './state.ts'

/**
 * Is the event allowed in this state? The authorization rules of its room version (specification, "Room Versions",
 * "Authorisation rules"), but for two that need more than the state: the rule on the event's own `auth_events`
 * (`checkAuthEventsSelection`) and the authoriser's signature on a restricted join, which is one of the signatures
 * that are checked when an event is received. A create event needs no state.
 */
export function checkAuth(event: RoomEvent, state: AuthState | undefined): Refusal {
  // Rule 1.
  if (event.type === 'm.room.create') return checkCreate(event)
  if (state === undefined) return 'the room has no create event'
  // Rule 3 (4 from version 12).
  const { create } = state
  if (create.content['m.federate'] === false && serverNameOf(event.sender) !== serverNameOf(create.sender))
    return 'the room is not federated and the sender is of another server'
  // Rule 4, versions 1–5.
  if (event.version.aliasesAreSpecial && event.type === 'm.room.aliases') return checkAliases(event)
  // Rule 5 (4 in versions 6–11).
  if (event.type === 'm.room.member') return checkMember(event, state)
  return checkOther(event, state)
}
