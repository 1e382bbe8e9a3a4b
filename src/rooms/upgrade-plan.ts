import type { RoomEvent } from '../protocol/event.ts'
import type { RoomAlias, UserId } from '../protocol/ids.ts'
import { isJsonObject } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { creatorsOf } from '../protocol/power-levels.ts'
import type { RoomVersion } from '../protocol/room-version.ts'
import type { StateDraft } from './presets.ts'
import { defaultPowerLevels } from './presets.ts'

/** State that goes into the new room as it is; the power levels come last, because they may take power away. */
export const transferable = [
  'm.room.server_acl',
  'm.room.encryption',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.guest_access',
  'm.room.history_visibility',
  'm.room.join_rules',
] as const

/** What of an old room the plan of its successor is made of. */
export interface OldRoom {
  readonly create: RoomEvent
  readonly levels: RoomEvent | undefined
  readonly canonicalAlias: RoomEvent | undefined
  /** events of the types in `transferable` */
  readonly state: readonly RoomEvent[]
  readonly banned: readonly UserId[]
  /** addresses of this server, which will lead to the new room */
  readonly aliases: readonly RoomAlias[]
}

/**
 * The state of the room that replaces another, after the create event and the creator's join (client-server API, "Room
 * Upgrades", "Server behaviour"). `creators` are those of the new room. A pure function.
 */
export function upgradedState(
  old: OldRoom,
  version: RoomVersion,
  creator: UserId,
  creators: readonly UserId[],
): StateDraft[] {
  const { levels, canonicalAlias, state, banned, aliases } = old
  const wanted = levels === undefined ? undefined : transferredLevels(old, levels.content, version, creator, creators)
  const initial = startingLevels(version, creator, wanted)
  const alias = canonicalAlias && movedAliases(canonicalAlias.content, aliases)
  return [
    { type: 'm.room.power_levels', stateKey: '', content: initial },
    ...state.map(({ type, content }) => ({ type, stateKey: '', content })),
    ...(alias === undefined ? [] : [{ type: 'm.room.canonical_alias', stateKey: '', content: alias }]),
    ...banned.map((userId) => ({ type: 'm.room.member', stateKey: userId, content: { membership: 'ban' } })),
    ...(wanted === undefined ? [] : [{ type: 'm.room.power_levels', stateKey: '', content: wanted }]),
  ]
}

/** The levels that a room keeps when it is no longer used: those who cannot moderate can neither write nor invite. */
export function closedLevels(content: JsonObject): JsonObject {
  const usersDefault = typeof content.users_default === 'number' ? content.users_default : 0
  const least = Math.max(50, usersDefault + 1)
  const raised = (value: Json | undefined) => Math.max(least, typeof value === 'number' ? value : 0)
  return { ...content, events_default: raised(content.events_default), invite: raised(content.invite) }
}

/** As much power for the creator as the levels that are to be set take. */
function startingLevels(version: RoomVersion, creator: UserId, wanted: JsonObject | undefined): JsonObject {
  const initial = defaultPowerLevels(version, 'private_chat', creator, [])
  if (version.privilegedCreators || wanted === undefined) return initial
  return { ...initial, users: { [creator]: Math.max(100, ...levelsIn(wanted)) } }
}

function levelsIn(content: JsonObject): number[] {
  return Object.values(content).flatMap((value) =>
    typeof value === 'number'
      ? [value]
      : isJsonObject(value)
        ? Object.values(value).filter((level) => typeof level === 'number')
        : [],
  )
}

function transferredLevels(
  { create }: OldRoom,
  content: JsonObject,
  version: RoomVersion,
  creator: UserId,
  creators: readonly UserId[],
): JsonObject {
  const users = isJsonObject(content.users) ? { ...content.users } : {}
  if (!version.privilegedCreators) {
    // who had power as a creator of the old room keeps it as a number
    if (create.version.privilegedCreators) for (const userId of creatorsOf(create)) users[userId] = 100
    return { ...content, users: { ...users, [creator]: users[creator] ?? 100 } }
  }
  for (const userId of creators) delete users[userId]
  const events = isJsonObject(content.events) ? content.events : {}
  const stateDefault = typeof content.state_default === 'number' ? content.state_default : 50
  const tombstone = events['m.room.tombstone']
  const isHigher = typeof tombstone === 'number' && tombstone > Math.max(stateDefault, 100)
  return {
    ...content,
    users,
    events: { ...events, 'm.room.tombstone': isHigher ? tombstone : Math.max(150, stateDefault + 1) },
  }
}

function movedAliases({ alias, alt_aliases: others }: JsonObject, moved: readonly RoomAlias[]): JsonObject | undefined {
  const isMoved = (value: Json | undefined) => moved.includes(value as RoomAlias)
  const kept = Array.isArray(others) ? (others as readonly Json[]).filter(isMoved) : []
  if (!isMoved(alias) && kept.length === 0) return undefined
  return { ...(isMoved(alias) ? { alias: alias as string } : {}), ...(kept.length === 0 ? {} : { alt_aliases: kept }) }
}
