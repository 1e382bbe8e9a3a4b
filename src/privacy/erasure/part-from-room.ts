import { MatrixError } from '../../protocol/errors.ts'
import type { RoomId, UserId } from '../../protocol/ids.ts'
import { isJsonObject, memberOf } from '../../protocol/json.ts'
import { powerLevelsOf } from '../../protocol/power-levels.ts'
import { appendLocal } from '../../rooms/append-local.ts'
import { listCandidates } from '../../rooms/candidates.ts'
import type { RoomsDeps } from '../../rooms/deps.ts'
import { leaveRoom } from '../../rooms/leave.ts'
import { leaveRemotely } from '../../rooms/leave-remote.ts'
import { putOutOfBand } from '../../rooms/out-of-band.ts'
import { isResident } from '../../rooms/resident.ts'
import type { Room } from '../../rooms/room.ts'
import type { Tx } from '../../store/database.ts'
import { room as roomLock, user as userLock } from '../../store/locks.ts'
import { findMembership, putForgotten } from '../../store/memberships.ts'
import { deleteAliasesOfEmptyRoom } from '../../store/room-aliases.ts'
import { listRoomHosts } from '../../store/room-hosts.ts'
import { listInvitesBy } from '../../store/invites.ts'
import { withRetries } from '../../store/retries.ts'

type Deps = RoomsDeps

/** Who leaves which room. */
export interface Leaving {
  readonly userId: UserId
  readonly userNid: number
  readonly roomId: RoomId
  readonly roomNid: number
  /** other servers could not be told the last time */
  readonly isRetry?: boolean
}

const asClosed = { mayBeDeactivated: true } as const

/**
 * Takes an erased account out of a room: withdraws the invites it made and gives up its power where it may, leaves, and
 * forgets the room, whose aliases go where nobody is left. Here it is gone whatever other servers answer; throws where they could not be told, so that it is
 * tried again.
 */
export async function partFromRoom(deps: Deps, leaving: Leaving): Promise<void> {
  const { userId, userNid, roomId, roomNid, isRetry = false } = leaving
  const { membership, isHere } = await deps.database.read(async (conn) => {
    const room = await deps.roomCache.get(conn, roomId)
    return {
      membership: (await findMembership(conn, userNid, roomNid))?.membership,
      isHere: await isResident(conn, room),
    }
  })
  const isIn = membership === 'join' || membership === 'invite' || membership === 'knock'
  if (isIn && isHere) {
    if (membership === 'join') await withdrawAndStepDown(deps, leaving)
    await leaveRoom(deps, { userId, userNid }, roomId, {}, asClosed)
  } else if (isIn || isRetry) await declineRemotely(deps, leaving)
  await deps.database.write(async (tx) => {
    await putForgotten(tx, userNid, roomNid, true)
    await deleteAliasesOfEmptyRoom(tx, roomId, roomNid)
  })
}

/** A room that this server is not in: its servers are told, and the membership ends here in any case. */
async function declineRemotely(deps: Deps, { userId, userNid, roomId, roomNid }: Leaving): Promise<void> {
  try {
    const candidates = await deps.database.read(async (conn) => {
      const hosts = (await listRoomHosts(conn, roomNid)).map(({ name }) => name)
      return listCandidates(conn, deps, { userNid }, roomId, hosts)
    })
    await leaveRemotely(deps, userId, roomId, candidates, {})
  } finally {
    await deps.database.write(async (tx) => {
      const { version } = await deps.roomCache.forWrite(tx, roomId)
      await putOutOfBand(tx, deps, { roomId, version, userId, sender: userId, membership: 'leave' })
      await putForgotten(tx, userNid, roomNid, true)
    })
  }
}

/** What the rules do not allow is left alone: the person is leaving anyway. */
async function withdrawAndStepDown(deps: Deps, { userId, userNid, roomId, roomNid }: Leaving): Promise<void> {
  const attempt = async (fn: (tx: Tx, room: Room) => Promise<void>): Promise<void> => {
    try {
      await withRetries(5, () =>
        deps.database.write(async (tx) => fn(tx, await deps.roomCache.forWrite(tx, roomId)), {
          locks: [userLock(userNid), roomLock(roomNid)],
        }),
      )
    } catch (error) {
      if (!(error instanceof MatrixError) || error.errcode !== 'M_FORBIDDEN') throw error
    }
  }
  for (const invited of await deps.database.read((conn) => listInvitesBy(conn, roomNid, userNid)))
    await attempt(async (tx, room) => {
      const draft = { type: 'm.room.member', stateKey: invited, content: { membership: 'leave' }, sender: userId }
      await appendLocal(tx, deps, room, draft, asClosed)
    })
  await attempt((tx, room) => stepDown(tx, deps, room, userId))
}

async function stepDown(tx: Tx, deps: Deps, room: Room, userId: UserId): Promise<void> {
  const [create, levels] = await deps.roomCache.stateEvents(tx, room, [
    { type: 'm.room.create', stateKey: '' },
    { type: 'm.room.power_levels', stateKey: '' },
  ])
  const users = levels && memberOf(levels.content, 'users')
  if (create === undefined || levels === undefined || !isJsonObject(users) || !Object.hasOwn(users, userId)) return
  const power = powerLevelsOf(create, levels)
  if (
    power.levelOf(userId) <= power.usersDefault ||
    power.levelOf(userId) < power.requiredFor('m.room.power_levels', true)
  )
    return
  const others = Object.fromEntries(Object.entries(users).filter(([name]) => name !== userId))
  const draft = {
    type: 'm.room.power_levels',
    stateKey: '',
    content: { ...levels.content, users: others },
    sender: userId,
  }
  await appendLocal(tx, deps, room, draft, asClosed)
}
