import { MatrixError } from '../protocol/errors.ts'
import type { RoomId } from '../protocol/ids.ts'
import { parseRoomId } from '../protocol/ids.ts'
import { findMembership, listMembershipsOfUser } from '../store/memberships.ts'
import type { MembershipRow } from '../store/memberships.ts'
import { findRoom } from '../store/rooms.ts'
import type { LocalOptions } from './append-local.ts'
import type { Actor } from './actor.ts'
import { listCandidates } from './candidates.ts'
import type { RoomsDeps } from './deps.ts'
import { leaveRemotely } from './leave-remote.ts'
import { appendMember, membershipIn } from './member-append.ts'
import type { MemberExtras } from './member-content.ts'
import { notInRoom } from './membership.ts'
import { putOutOfBand } from './out-of-band.ts'
import { isResident } from './resident.ts'
import type { Room } from './room.ts'
import { writeInRoom } from './write-in-room.ts'

/** How long a user waits for other servers to hear of it. */
const patienceMs = 10_000

type Leaver = Pick<Actor, 'userId' | 'userNid'>

/**
 * Leaves a room, declines an invite or withdraws a knock; nothing happens where the user has left already. Whatever
 * other servers answer, the room is gone for the user. Throws `M_FORBIDDEN` for those who were never in the room, or are
 * banned (client-server API, "Leaving rooms").
 */
export async function leaveRoom(
  deps: RoomsDeps,
  leaver: Leaver,
  roomId: RoomId,
  extras: MemberExtras = {},
  options: LocalOptions = {},
): Promise<void> {
  const { room, row, isHere } = await standing(deps, leaver, roomId)
  if (room === undefined || row === undefined || row.membership === 'ban') throw notInRoom()
  if (row.membership === 'leave') return
  if (isHere && (await leaveLocally(deps, leaver, room, extras, options))) return
  if (!isHere) await tellOthers(deps, leaver, room, extras)
  await deps.database.write((tx) => {
    const { userId } = leaver
    return putOutOfBand(tx, deps, { roomId, version: room.version, userId, sender: userId, membership: 'leave' })
  })
}

async function standing(
  deps: RoomsDeps,
  { userNid }: Leaver,
  roomId: RoomId,
): Promise<{ room: Room | undefined; row: MembershipRow | undefined; isHere: boolean }> {
  return deps.database.read(async (conn) => {
    const room = await deps.roomCache.find(conn, roomId)
    if (room === undefined) return { room, row: undefined, isHere: false }
    return { room, row: await findMembership(conn, userNid, room.nid), isHere: await isResident(conn, room) }
  })
}

/** Whether the room's state took it; an invite that came past the room's state is not in there. */
function leaveLocally(
  deps: RoomsDeps,
  { userId, userNid }: Leaver,
  room: Room,
  extras: MemberExtras,
  options: LocalOptions,
): Promise<boolean> {
  return writeInRoom(deps, room, [userNid], async (tx, current) => {
    const membership = await membershipIn(tx, deps, current, userId)
    if (membership === 'ban') throw notInRoom()
    // another request of the user's may have left meanwhile
    if (membership === 'leave') return (await findMembership(tx, userNid, current.nid))?.membership === 'leave'
    await appendMember(tx, deps, current, { ...extras, sender: userId, target: userId, membership: 'leave' }, options)
    return true
  })
}

async function tellOthers(deps: RoomsDeps, leaver: Leaver, room: Room, extras: MemberExtras): Promise<void> {
  const candidates = await deps.database.read((conn) => listCandidates(conn, deps, leaver, room.id))
  const waiting = new AbortController()
  const told = leaveRemotely(deps, leaver.userId, room.id, candidates, extras)
    .catch((error: unknown) => deps.log.info('no server took the end of an invite', { roomId: room.id, error }))
    .finally(() => waiting.abort())
  await Promise.race([told, deps.clock.sleep(patienceMs, waiting.signal).catch(() => undefined)])
}

/**
 * Leaves every room, declines every invite and withdraws every knock of an account that ends. A room that cannot be
 * left is logged and left out; gives how many of them there are, so that the caller can try again.
 */
export async function leaveAllRooms(deps: RoomsDeps, leaver: Leaver): Promise<number> {
  let failed = 0
  const rows = await deps.database.read((conn) => listMembershipsOfUser(conn, leaver.userNid))
  for (const { room_nid: roomNid, membership } of rows) {
    if (membership !== 'join' && membership !== 'invite' && membership !== 'knock') continue
    const row = await deps.database.read((conn) => findRoom(conn, roomNid))
    const roomId = parseRoomId(row?.room_id)
    if (roomId === undefined) continue
    try {
      await leaveRoom(deps, leaver, roomId, {}, { mayBeDeactivated: true })
    } catch (error) {
      failed++
      deps.log.warn('a room could not be left', {
        roomId,
        error: error instanceof MatrixError ? error.errcode : 'internal',
      })
    }
  }
  return failed
}
