import { MatrixError } from '../protocol/errors.ts'
import type { RoomAlias, RoomId } from '../protocol/ids.ts'
import { localpartOf, serverNameOf } from '../protocol/ids.ts'
import { historyVisibilityOf } from '../protocol/visibility.ts'
import type { Conn } from '../store/database.ts'
import { findMembership } from '../store/memberships.ts'
import { deleteRoomAlias, findRoomAlias, insertRoomAlias, listRoomAliases } from '../store/room-aliases.ts'
import type { Actor } from './actor.ts'
import { assertMayMakeAliases, isAdmin } from './alias-creation.ts'
import { dropFromCanonicalAlias } from './canonical-alias.ts'
import { newAlias } from './create-plan.ts'
import type { RoomsDeps } from './deps.ts'
import { notInRoom } from './membership.ts'
import { maySendState } from './may-send.ts'
import type { Room } from './room.ts'
import { writeInRoom } from './write-in-room.ts'

type Owner = Actor & { readonly admin: boolean }

/**
 * Lets an alias of this server lead to a room that the user is joined to (client-server API, "Room aliases"). Throws
 * `M_UNKNOWN` (409) where it exists, `M_INVALID_PARAM`, `M_FORBIDDEN`.
 */
export async function createAlias(deps: RoomsDeps, actor: Owner, alias: RoomAlias, roomId: RoomId): Promise<void> {
  const { serverName, config, clock } = deps
  if (serverNameOf(alias) !== serverName) throw new MatrixError('M_INVALID_PARAM', 'The alias is of another server')
  newAlias(localpartOf(alias), serverName)
  assertMayMakeAliases(config, actor)
  const room = await deps.database.read((conn) => deps.roomCache.find(conn, roomId))
  if (room === undefined) throw notInRoom()
  await writeInRoom(deps, room, [actor.userNid], async (tx) => {
    if (!isAdmin(config, actor) && (await findMembership(tx, actor.userNid, room.nid))?.membership !== 'join')
      throw notInRoom()
    if (!(await insertRoomAlias(tx, { alias, roomId, creatorNid: actor.userNid }, clock.now())))
      throw new MatrixError('M_UNKNOWN', 'Room alias already exists', {}, 409)
  })
}

/**
 * Removes an alias of this server: its creator may, who may set the room's aliases may, and administrators may. The
 * room's own list of aliases follows where the user may change it. Throws `M_NOT_FOUND`, `M_FORBIDDEN`.
 */
export async function deleteAlias(deps: RoomsDeps, actor: Owner, alias: RoomAlias): Promise<void> {
  const notFound = () => new MatrixError('M_NOT_FOUND', 'Room alias not found')
  if (serverNameOf(alias) !== deps.serverName) throw notFound()
  const room = await deps.database.write(async (tx) => {
    const row = await findRoomAlias(tx, alias)
    if (row === undefined) throw notFound()
    const of = await deps.roomCache.find(tx, row.roomId)
    const mayDelete =
      row.creatorNid === actor.userNid ||
      isAdmin(deps.config, actor) ||
      (of !== undefined && (await maySendState(tx, deps, of, actor.userId, 'm.room.canonical_alias')))
    if (!mayDelete)
      throw new MatrixError(
        'M_FORBIDDEN',
        'Only its creator and who may set the aliases of the room can delete an alias',
      )
    await deleteRoomAlias(tx, alias)
    return of
  })
  if (room !== undefined) await dropFromCanonicalAlias(deps, actor, room, alias)
}

/** The aliases of this server that lead to a room. Throws `M_FORBIDDEN` for who may not see into the room. */
export async function listAliases(
  deps: Pick<RoomsDeps, 'database' | 'roomCache'>,
  actor: Actor,
  roomId: RoomId,
): Promise<RoomAlias[]> {
  return deps.database.read(async (conn) => {
    const room = await deps.roomCache.find(conn, roomId)
    if (room === undefined || !(await maySeeInto(conn, deps, room, actor))) throw notInRoom()
    return listRoomAliases(conn, roomId)
  })
}

async function maySeeInto(
  conn: Conn,
  deps: Pick<RoomsDeps, 'roomCache'>,
  room: Room,
  { userNid }: Actor,
): Promise<boolean> {
  if ((await findMembership(conn, userNid, room.nid))?.membership === 'join') return true
  const setting = await deps.roomCache.stateEvent(conn, room, 'm.room.history_visibility', '')
  return historyVisibilityOf(setting) === 'world_readable'
}
