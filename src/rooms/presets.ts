import type { UserId } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { RoomVersion } from '../protocol/room-version.ts'

/** Ready-made settings of a new room (client-server API, `createRoom`). */
export type Preset = 'private_chat' | 'trusted_private_chat' | 'public_chat'

/** A state event that is to be sent. */
export interface StateDraft {
  readonly type: string
  readonly stateKey: string
  readonly content: JsonObject
}

/** The state events that a preset implies, in their order. */
export function presetState(preset: Preset): StateDraft[] {
  const isPublic = preset === 'public_chat'
  const state = (type: string, content: JsonObject): StateDraft => ({ type, stateKey: '', content })
  return [
    state('m.room.join_rules', { join_rule: isPublic ? 'public' : 'invite' }),
    state('m.room.history_visibility', { history_visibility: 'shared' }),
    state('m.room.guest_access', { guest_access: isPublic ? 'forbidden' : 'can_join' }),
  ]
}

/**
 * The power levels of a new room. `trusted` are users with the creator's power; in versions where creators have power by
 * being creators nobody is listed, and a tombstone takes more than any listed level.
 */
export function defaultPowerLevels(
  version: RoomVersion,
  preset: Preset,
  creator: UserId,
  trusted: readonly UserId[],
): JsonObject {
  const listed = version.privilegedCreators ? [] : [creator, ...trusted]
  return {
    users: Object.fromEntries(listed.map((userId) => [userId, 100])),
    users_default: 0,
    events: {
      'm.room.name': 50,
      'm.room.avatar': 50,
      'm.room.canonical_alias': 50,
      'm.room.power_levels': 100,
      'm.room.history_visibility': 100,
      'm.room.server_acl': 100,
      'm.room.encryption': 100,
      'm.room.tombstone': version.privilegedCreators ? 150 : 100,
    },
    events_default: 0,
    state_default: 50,
    ban: 50,
    kick: 50,
    redact: 50,
    invite: preset === 'public_chat' ? 50 : 0,
  }
}

/** The content of `m.room.topic` for a plain text (client-server API, `m.room.topic`). */
export function topicContent(topic: string): JsonObject {
  return { topic, 'm.topic': { 'm.text': [{ mimetype: 'text/plain', body: topic }] } }
}
