import { MatrixError } from '../../protocol/errors.ts'
import type { RoomId, UserId } from '../../protocol/ids.ts'
import { isJsonObject, memberOf } from '../../protocol/json.ts'
import { powerLevelsOf } from '../../protocol/power-levels.ts'
import { appendLocal } from '../../rooms/append-local.ts'
import type { Room } from '../../rooms/room.ts'
import type { Tx } from '../../store/database.ts'
import { room as roomLock, user as userLock } from '../../store/locks.ts'
import { findMembership, putForgotten } from '../../store/memberships.ts'
import { listInvitesBy } from '../../store/invites.ts'
import { withRetries } from '../../store/retries.ts'
import type { PrivacyDeps } from '../deps.ts'

type Deps = Pick<
  PrivacyDeps,
  'database' | 'clock' | 'random' | 'roomCache' | 'erased' | 'serverName' | 'signingKey' | 'changes' | 'outbound' | 'leaveRemote' | 'notify' | 'mediaReleased'
>

/** Who leaves which room. */
export interface Leaving {
  readonly userId: UserId
  readonly userNid: number
  readonly roomId: RoomId
  readonly roomNid: number
  /** also withdraws invites and gives up power */
  readonly isErased: boolean
}

const asClosed = { mayBeDeactivated: true } as const

/**
 * Takes a closed account out of a room: withdraws the invites it made and gives up its power where it may, leaves, and
 * forgets the room. Throws what leaving throws, so that it is tried again.
 */
export async function leaveRoom(deps: Deps, leaving: Leaving): Promise<void> {
  const { userId, userNid, roomId, roomNid } = leaving
  const row = await deps.database.read((conn) => findMembership(conn, userNid, roomNid))
  const membership = row?.membership
  if (membership === 'join' || membership === 'invite' || membership === 'knock') {
    const isHere = await deps.database.read(async (conn) => {
      const room = await deps.roomCache.get(conn, roomId)
      return (await deps.roomCache.stateEvent(conn, room, 'm.room.member', userId)) !== undefined
    })
    if (!isHere) await deps.leaveRemote({ userId, userNid, roomId, roomNid })
    else {
      if (membership === 'join' && leaving.isErased) await withdrawAndStepDown(deps, leaving)
      await withRetries(5, () =>
        deps.database.write(
          async (tx) => {
            const room = await deps.roomCache.forWrite(tx, roomId)
            const draft = { type: 'm.room.member', stateKey: userId, content: { membership: 'leave' }, sender: userId }
            await appendLocal(tx, deps, room, draft, asClosed)
          },
          { locks: [userLock(userNid), roomLock(roomNid)] },
        ),
      )
    }
  }
  await deps.database.write((tx) => putForgotten(tx, userNid, roomNid, true))
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
  if (power.levelOf(userId) <= power.usersDefault || power.levelOf(userId) < power.requiredFor('m.room.power_levels', true)) return
  const others = Object.fromEntries(Object.entries(users).filter(([name]) => name !== userId))
  const draft = { type: 'm.room.power_levels', stateKey: '', content: { ...levels.content, users: others }, sender: userId }
  await appendLocal(tx, deps, room, draft, asClosed)
}
