import { MatrixError } from '../protocol/errors.ts'
import type { RoomAlias, RoomId, ServerName } from '../protocol/ids.ts'
import type { Database } from '../store/database.ts'
import { KeyedMutex } from '../util/mutex.ts'
import type { Actor } from './actor.ts'
import { listCandidates } from './candidates.ts'
import type { RoomsDeps } from './deps.ts'
import { joinLocally } from './join-local.ts'
import { joinRemotely } from './join-remote.ts'
import type { MemberExtras } from './member-content.ts'
import { resolveAlias } from './resolve-alias.ts'
import { isResident } from './resident.ts'
import type { Room } from './room.ts'

/** How a user comes into a room. */
export interface JoinRequest extends MemberExtras {
  readonly target: RoomId | RoomAlias
  /** servers that the user says are in the room */
  readonly via?: readonly ServerName[] | undefined
}

// one way into a room at a time: who waits finds the room here, and joins without asking another server
const joins = new WeakMap<Database, KeyedMutex<RoomId>>()

/**
 * Joins a user to a room of this server or of others; a user who is joined stays so. Gives the room's id. Throws
 * `M_FORBIDDEN`, `M_GUEST_ACCESS_FORBIDDEN`, `M_NOT_FOUND`, `M_UNABLE_TO_AUTHORISE_JOIN`, `M_UNABLE_TO_GRANT_JOIN`,
 * `M_INCOMPATIBLE_ROOM_VERSION`, and 502 or 504 where other servers fail (client-server API, "Joining rooms").
 */
export async function joinRoom(
  deps: RoomsDeps,
  actor: Actor,
  { target, via = [], ...extras }: JoinRequest,
): Promise<RoomId> {
  const { roomId, servers } = await roomOf(deps, target)
  let mutex = joins.get(deps.database)
  if (mutex === undefined) joins.set(deps.database, (mutex = new KeyedMutex()))
  const room = await followedRoom(deps, roomId)
  if (room !== undefined && (await joinHere(deps, actor, room, extras))) return roomId
  await mutex.run(roomId, async () => {
    const followed = await followedRoom(deps, roomId)
    if (followed !== undefined && (await joinHere(deps, actor, followed, extras))) return
    const candidates = await deps.database.read((conn) =>
      listCandidates(conn, deps, actor, roomId, [...via, ...servers]),
    )
    await joinRemotely(deps, actor, roomId, candidates, extras)
  })
  return roomId
}

/** Whether the user is joined now; false where only another server may let them in. */
async function joinHere(deps: RoomsDeps, actor: Actor, room: Room, extras: MemberExtras): Promise<boolean> {
  try {
    await joinLocally(deps, actor, room, extras)
    return true
  } catch (error) {
    const isForOthers =
      error instanceof MatrixError &&
      (error.errcode === 'M_UNABLE_TO_GRANT_JOIN' || error.errcode === 'M_UNABLE_TO_AUTHORISE_JOIN')
    if (!isForOthers || room.hosts.length === 0) throw error
    return false
  }
}

async function followedRoom(deps: RoomsDeps, roomId: RoomId): Promise<Room | undefined> {
  return deps.database.read(async (conn) => {
    const room = await deps.roomCache.find(conn, roomId)
    return room !== undefined && (await isResident(conn, room)) ? room : undefined
  })
}

async function roomOf(
  deps: RoomsDeps,
  target: RoomId | RoomAlias,
): Promise<{ roomId: RoomId; servers: readonly ServerName[] }> {
  return target.startsWith('#') ? resolveAlias(deps, target as RoomAlias) : { roomId: target as RoomId, servers: [] }
}
