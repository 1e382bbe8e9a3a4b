import { isJsonObject } from '../protocol/json.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { RoomId, UserId } from '../protocol/ids.ts'
import { parseRoomId } from '../protocol/ids.ts'
import { powerLevelsOf } from '../protocol/power-levels.ts'
import { findAccount } from '../store/accounts.ts'
import type { Conn } from '../store/database.ts'
import { findMembership, listLocalMembers } from '../store/memberships.ts'
import type { RoomsDeps } from './deps.ts'
import { membershipIn } from './member-append.ts'
import { isResident } from './resident.ts'
import type { Room } from './room.ts'

type Deps = Pick<RoomsDeps, 'roomCache'>

/** The most conditions of a join rule that are looked at. */
const maxConditions = 100

/** Whether the room's join rule lets somebody in by their membership of another room. */
export async function isRestricted(conn: Conn, deps: Deps, room: Room): Promise<boolean> {
  const { version } = room
  const rule = (await deps.roomCache.stateEvent(conn, room, 'm.room.join_rules', ''))?.content.join_rule
  return (
    (rule === 'restricted' && version.restrictedJoins) || (rule === 'knock_restricted' && version.knockRestrictedJoins)
  )
}

/** Whether a restricted room needs an authoriser to let this user in: they are neither joined nor invited. */
export async function needsAuthoriser(conn: Conn, deps: Deps, room: Room, userId: UserId): Promise<boolean> {
  if (!(await isRestricted(conn, deps, room))) return false
  const membership = await membershipIn(conn, deps, room, userId)
  return membership !== 'join' && membership !== 'invite' && membership !== 'ban'
}

/**
 * Whether a user meets a condition of the join rule (server-server API, "Restricted rooms"); `unknown` where they meet
 * none that this server can judge, and there are others.
 */
export async function meetsCondition(
  conn: Conn,
  deps: Deps,
  room: Room,
  userId: UserId,
): Promise<'yes' | 'no' | 'unknown'> {
  const content = (await deps.roomCache.stateEvent(conn, room, 'm.room.join_rules', ''))?.content
  const userNid = await deps.roomCache.userNid(conn, userId)
  let verdict: 'no' | 'unknown' = 'no'
  for (const allowedId of allowedRooms(content)) {
    const allowed = await deps.roomCache.find(conn, allowedId)
    if (allowed === undefined || !(await isResident(conn, allowed))) verdict = 'unknown'
    else if (userNid !== undefined && (await findMembership(conn, userNid, allowed.nid))?.membership === 'join')
      return 'yes'
  }
  return verdict
}

function allowedRooms(content: JsonObject | undefined): RoomId[] {
  const allow = content?.allow
  if (!Array.isArray(allow)) return []
  return (allow as readonly unknown[])
    .slice(0, maxConditions)
    .flatMap((entry) => (isJsonObject(entry) && entry.type === 'm.room_membership' ? [parseRoomId(entry.room_id)] : []))
    .filter((roomId) => roomId !== undefined)
}

/** A joined local user who may invite, and whose account may act: in whose name others are let in. Undefined: there is none. */
export async function findAuthoriser(conn: Conn, deps: Deps, room: Room): Promise<UserId | undefined> {
  for (const { userId } of await listLocalMembers(conn, room.nid))
    if (await mayAuthorise(conn, deps, room, userId)) return userId
  return undefined
}

/** Whether a local user may let others in: joined, with the power to invite, and neither erased, deactivated nor locked. */
export async function mayAuthorise(conn: Conn, deps: Deps, room: Room, userId: UserId): Promise<boolean> {
  const [create, levelsEvent, member] = await deps.roomCache.stateEvents(conn, room, [
    { type: 'm.room.create', stateKey: '' },
    { type: 'm.room.power_levels', stateKey: '' },
    { type: 'm.room.member', stateKey: userId },
  ])
  if (create === undefined || member?.content.membership !== 'join') return false
  const levels = powerLevelsOf(create, levelsEvent)
  if (levels.levelOf(userId) < levels.invite) return false
  const userNid = await deps.roomCache.userNid(conn, userId)
  const account = userNid === undefined ? undefined : await findAccount(conn, userNid)
  return account !== undefined && account.deactivated_ts === null && account.erased_ts === null && !account.locked
}
