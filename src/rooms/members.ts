import type { RoomEvent } from '../protocol/event.ts'
import type { ServerName, UserId } from '../protocol/ids.ts'
import { parseUserId, serverNameOf } from '../protocol/ids.ts'
import type { Tx } from '../store/database.ts'
import { listEvents } from '../store/events.ts'
import type { Membership, NewMembership } from '../store/memberships.ts'
import { findMembership, putMemberships } from '../store/memberships.ts'
import { endOutboundRoom, startOutboundRoom } from '../store/outbound-marks.ts'
import { changeRoomHost } from '../store/room-hosts.ts'
import { putUsers } from '../store/users.ts'
import type { RoomsDeps } from './deps.ts'
import type { Room } from './room.ts'
import type { StateChange } from './state-change.ts'

/** The event that changes the current state, as far as member lists need it. */
export interface Cause {
  readonly eventNid: number
  readonly ord: number | null
  readonly pos: number
  readonly ts: number
}

/** A member event's word, `leave` for what is none. */
export function membershipOf(event: RoomEvent | undefined): Membership {
  const word = event?.content.membership
  return word === 'join' || word === 'invite' || word === 'ban' || word === 'knock' ? word : 'leave'
}

/** The change of one user's membership. */
export interface MemberChange {
  readonly userId: UserId
  readonly before: Membership
  readonly after: Membership
  readonly change: StateChange
}

/** The member changes among changes of state. */
export function memberChanges(changes: readonly StateChange[]): MemberChange[] {
  const found: MemberChange[] = []
  for (const change of changes) {
    const userId = change.type === 'm.room.member' ? parseUserId(change.stateKey) : undefined
    if (userId !== undefined)
      found.push({ userId, before: membershipOf(change.before), after: membershipOf(change.after), change })
  }
  return found
}

type Deps = Pick<RoomsDeps, 'roomCache' | 'serverName' | 'clock'>

/** Writes the rows of memberships and of the servers in the room; gives the users concerned and the servers that are in it now. */
export async function applyMemberChanges(
  tx: Tx,
  deps: Deps,
  room: Room,
  changes: readonly MemberChange[],
  cause: Cause,
): Promise<{ readonly userNids: readonly number[]; readonly hosts: readonly number[] }> {
  if (changes.length === 0) return { userNids: [], hosts: room.hosts }
  const senders = changes.map(({ userId, change }) => change.after?.sender ?? userId)
  const nids = await internUsers(tx, deps, [...changes.map(({ userId }) => userId), ...senders])
  const ords = await ordsOf(tx, changes, cause)
  const rows: NewMembership[] = []
  for (const [i, { userId, after, change }] of changes.entries()) {
    const userNid = nids.get(userId) as number
    const isLocal = serverNameOf(userId) === deps.serverName
    const eventNid = change.afterNid ?? change.beforeNid ?? cause.eventNid
    const mayBeForgotten = isLocal && (after === 'leave' || after === 'ban')
    rows.push({
      user_nid: userNid,
      room_nid: room.nid,
      membership: after,
      event_nid: eventNid,
      sender_nid: nids.get(senders[i] as UserId) as number,
      local: isLocal,
      forgotten: mayBeForgotten && ((await findMembership(tx, userNid, room.nid))?.forgotten ?? false),
      writer: tx.writerNid,
      pos: cause.pos,
      ord: ords.get(eventNid) ?? null,
      display_name: textOf(change.after, 'displayname'),
      avatar_url: textOf(change.after, 'avatar_url'),
    })
  }
  await putMemberships(tx, rows)
  const hosts = await applyHostChanges(tx, deps, room, changes, cause)
  return { userNids: rows.map((row) => row.user_nid), hosts }
}

async function internUsers(tx: Tx, deps: Deps, userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, number>> {
  if (userIds.length > 8) return putUsers(tx, userIds)
  const nids = new Map<UserId, number>()
  for (const userId of userIds) nids.set(userId, await deps.roomCache.putUser(tx, userId))
  return nids
}

async function ordsOf(tx: Tx, changes: readonly MemberChange[], cause: Cause): Promise<Map<number, number | null>> {
  const ords = new Map<number, number | null>([[cause.eventNid, cause.ord]])
  const others = changes
    .map(({ change }) => change.afterNid)
    .filter((nid) => nid !== undefined && nid !== cause.eventNid)
  // of a room that is being joined all of them are outliers, and there are many
  if (others.length > 0 && others.length < 500)
    for (const row of await listEvents(tx, others as number[])) ords.set(row.event_nid, row.ord)
  return ords
}

/** Display names and avatars that are no text, or longer than anybody may make them, are not shown in lists. */
function textOf(event: RoomEvent | undefined, key: 'displayname' | 'avatar_url'): string | null {
  const value = event?.content[key]
  return typeof value === 'string' && value.length <= 2000 ? value : null
}

async function applyHostChanges(
  tx: Tx,
  deps: Deps,
  room: Room,
  changes: readonly MemberChange[],
  cause: Cause,
): Promise<readonly number[]> {
  const byServer = new Map<ServerName, number>()
  for (const { userId, before, after } of changes) {
    const by = (after === 'join' ? 1 : 0) - (before === 'join' ? 1 : 0)
    const server = serverNameOf(userId)
    if (by !== 0 || (before !== after && after !== 'leave')) byServer.set(server, (byServer.get(server) ?? 0) + by)
  }
  let hosts = room.hosts
  const ts = deps.clock.now()
  for (const [server, by] of byServer) {
    const serverNid = await deps.roomCache.putServer(tx, server)
    const members = await changeRoomHost(tx, { roomNid: room.nid, serverNid, by, ts })
    if (server === deps.serverName) continue
    const wasJoined = hosts.includes(serverNid)
    if (members > 0 && !wasJoined) {
      // it has everything up to the event that lets it in by `send_join`
      await startOutboundRoom(tx, serverNid, room.nid, cause.eventNid)
      hosts = [...hosts, serverNid]
    } else if (members === 0 && wasJoined) {
      await endOutboundRoom(tx, serverNid, room.nid, cause.eventNid)
      hosts = hosts.filter((nid) => nid !== serverNid)
    }
  }
  return hosts
}
