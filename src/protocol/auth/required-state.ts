import { isJsonObject } from '../json.ts'
import type { Json, JsonObject } from '../json-types.ts'
import type { RoomVersion } from '../room-version.ts'
import type { StateKey } from './state.ts'

/** What is known of an event, or of one that is about to be built, when its auth events are selected. */
export interface EventDraft {
  readonly version: RoomVersion
  readonly type: string
  readonly stateKey: string | undefined
  readonly sender: string
  readonly content: JsonObject
}

/**
 * The places in the state whose events, where there are any, an event names in `auth_events` and is checked against
 * (server-server API, "Auth events selection"). Each once. The create event is among them before room version 12;
 * from there the check takes it from the room id.
 */
export function requiredState(event: EventDraft): StateKey[] {
  const { version, type, sender } = event
  if (type === 'm.room.create') return []
  const keys: StateKey[] = []
  if (!version.roomIdIsCreateHash) keys.push({ type: 'm.room.create', stateKey: '' })
  keys.push({ type: 'm.room.power_levels', stateKey: '' })
  const members = new Set([sender])
  if (type === 'm.room.member') {
    const { content, stateKey } = event
    const { membership, join_authorised_via_users_server: authoriser } = content
    if (stateKey !== undefined) members.add(stateKey)
    if (membership === 'join' || membership === 'invite' || membership === 'knock')
      keys.push({ type: 'm.room.join_rules', stateKey: '' })
    const token = membership === 'invite' ? invitationToken(content.third_party_invite) : undefined
    if (token !== undefined) keys.push({ type: 'm.room.third_party_invite', stateKey: token })
    if (membership === 'join' && version.restrictedJoins && typeof authoriser === 'string') members.add(authoriser)
  }
  for (const stateKey of members) keys.push({ type: 'm.room.member', stateKey })
  return keys
}

/** `signed.token` of a member event's `third_party_invite`, undefined where it is not a string. */
export function invitationToken(thirdPartyInvite: Json | undefined): string | undefined {
  const token = objectOrUndefined(objectOrUndefined(thirdPartyInvite)?.signed)?.token
  return typeof token === 'string' ? token : undefined
}

/** The value if it is an object, else undefined. */
export function objectOrUndefined(value: Json | undefined): JsonObject | undefined {
  return isJsonObject(value) ? value : undefined
}
