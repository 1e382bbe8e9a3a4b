import { MatrixError } from '../protocol/errors.ts'
import type { RoomId, UserId } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { Conn, Tx } from '../store/database.ts'
import { listMembers } from '../store/memberships.ts'
import { listRoomAliases, moveRoomAliases } from '../store/room-aliases.ts'
import { findRoom, putRoomPublished } from '../store/rooms.ts'
import type { Actor } from './actor.ts'
import { appendLocal } from './append-local.ts'
import { createContentOf, roomVersionOf } from './create-plan.ts'
import { makeRoom } from './create.ts'
import type { RoomsDeps } from './deps.ts'
import { maySendState } from './may-send.ts'
import { knownRoom } from './membership.ts'
import { isResident } from './resident.ts'
import type { Room } from './room.ts'
import type { OldRoom } from './upgrade-plan.ts'
import { closedLevels, transferable, upgradedState } from './upgrade-plan.ts'
import { writeInRoom } from './write-in-room.ts'

/** Which room to replace, and by which version. */
export interface UpgradeRequest {
  readonly roomId: RoomId
  readonly version: string
  readonly additionalCreators: readonly UserId[]
}

const maxBans = 500

/**
 * Replaces a room by a new one of another version (client-server API, "Room Upgrades"), all in one write. Gives the new
 * room's id. Throws `M_UNSUPPORTED_ROOM_VERSION`, `M_FORBIDDEN`.
 */
export async function upgradeRoom(deps: RoomsDeps, actor: Actor, request: UpgradeRequest): Promise<RoomId> {
  const { userId, userNid } = actor
  const version = roomVersionOf(request.version)
  const known = await knownRoom(deps, request.roomId)
  const creators = version.privilegedCreators ? request.additionalCreators : []
  return writeInRoom(deps, known, [userNid], async (tx, room) => {
    if (!(await isResident(tx, room)) || !(await maySendState(tx, deps, room, userId, 'm.room.tombstone')))
      throw new MatrixError('M_FORBIDDEN', 'You cannot upgrade this room')
    const old = await oldRoom(tx, deps, room)
    const createContent = createContentOf(version, userId, predecessorOf(old, room), creators)
    const state = upgradedState(old, version, userId, [userId, ...creators])
    const isPublished = (await findRoom(tx, room.nid))?.published ?? false
    const made = await makeRoom(tx, deps, {
      version,
      creator: userId,
      createContent,
      state,
      alias: undefined,
      isPublished,
    })
    await moveRoomAliases(tx, room.id, made.id)
    if (isPublished) {
      await putRoomPublished(tx, made.nid, true)
      await putRoomPublished(tx, room.nid, false)
    }
    await closeRoom(tx, deps, room, old, userId, made.id)
    return made.id
  })
}

function predecessorOf({ create }: OldRoom, room: Room): JsonObject {
  const { type, 'm.federate': federate } = create.content
  const newest = [...room.extremities].sort((a, b) => b.depth - a.depth)[0]
  return {
    ...(typeof type === 'string' ? { type } : {}),
    ...(federate === false ? { 'm.federate': false } : {}),
    predecessor: { room_id: room.id, ...(newest === undefined ? {} : { event_id: newest.eventId }) },
  }
}

async function oldRoom(conn: Conn, deps: Pick<RoomsDeps, 'roomCache'>, room: Room): Promise<OldRoom> {
  const types = ['m.room.create', 'm.room.power_levels', 'm.room.canonical_alias', ...transferable]
  const [create, levels, canonicalAlias, ...state] = await deps.roomCache.stateEvents(
    conn,
    room,
    types.map((type) => ({ type, stateKey: '' })),
  )
  if (create === undefined) throw new Error('a room without a create event')
  return {
    create,
    levels,
    canonicalAlias,
    state: state.filter((event) => event !== undefined),
    banned: (await listMembers(conn, room.nid, 'ban')).slice(0, maxBans).map(({ userId }) => userId),
    aliases: await listRoomAliases(conn, room.id),
  }
}

/** The tombstone, and, as far as the user has the power, nothing more to be said or to be found in the old room. */
async function closeRoom(
  tx: Tx,
  deps: RoomsDeps,
  old: Room,
  state: OldRoom,
  sender: UserId,
  replacement: RoomId,
): Promise<void> {
  const tombstone = { body: 'This room has been replaced', replacement_room: replacement }
  const { room: closed } = await appendLocal(tx, deps, old, {
    type: 'm.room.tombstone',
    stateKey: '',
    content: tombstone,
    sender,
  })
  let room = closed
  const drafts = [
    ...(state.canonicalAlias === undefined ? [] : [{ type: 'm.room.canonical_alias', stateKey: '', content: {} }]),
    ...(state.levels === undefined
      ? []
      : [{ type: 'm.room.power_levels', stateKey: '', content: closedLevels(state.levels.content) }]),
  ]
  for (const draft of drafts) {
    try {
      ;({ room } = await appendLocal(tx, deps, room, { ...draft, sender }))
    } catch (error) {
      // judged before anything is written: the rest goes on
      if (!(error instanceof MatrixError) || error.errcode !== 'M_FORBIDDEN') throw error
    }
  }
}
