import { MatrixError } from '../protocol/errors.ts'
import type { RoomId, ServerName } from '../protocol/ids.ts'
import { canonicalEventJson } from '../protocol/canonical-json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import type { DirectorySearch, PublishedRoom } from '../store/room-directory.ts'
import { countPublishedRooms, listPublishedRooms } from '../store/room-directory.ts'
import { findRoomById, putRoomPublished } from '../store/rooms.ts'
import type { Actor } from './actor.ts'
import { isAdmin } from './alias-creation.ts'
import type { RoomsDeps } from './deps.ts'
import { maySendState } from './may-send.ts'
import { writeInRoom } from './write-in-room.ts'

/** Which part of the directory is wanted. */
export interface DirectoryRequest {
  /** 0: as many as there may be */
  readonly limit?: number | undefined
  readonly since?: string | undefined
  readonly term?: string | undefined
  readonly types?: readonly (string | null)[] | undefined
}

const mostRooms = 100
const token = /^p([0-9]{1,9})$/

/**
 * A page of the published rooms, those with most members first (client-server API, "Published room directory"); the
 * search is for a plain part of name, topic or address. Throws `M_INVALID_PARAM` for a token that is none.
 */
export async function listPublicRooms(
  deps: Pick<RoomsDeps, 'database'>,
  request: DirectoryRequest,
): Promise<JsonObject> {
  const { limit = 0, since } = request
  const size = limit === 0 ? mostRooms : Math.max(1, Math.min(limit, mostRooms))
  const offset = since === undefined || since === '' ? 0 : Number(token.exec(since)?.[1] ?? NaN)
  if (Number.isNaN(offset)) throw new MatrixError('M_INVALID_PARAM', 'since is not a token of this list')
  const search: DirectorySearch = { term: request.term?.toLowerCase() || undefined, types: request.types }
  const { rooms, total } = await deps.database.read(async (conn) => ({
    rooms: await listPublishedRooms(conn, search, offset, size + 1),
    total: await countPublishedRooms(conn, search),
  }))
  return {
    chunk: rooms.slice(0, size).map(shown),
    total_room_count_estimate: total,
    ...(rooms.length > size ? { next_batch: `p${offset + size}` } : {}),
    ...(offset > 0 ? { prev_batch: `p${Math.max(0, offset - size)}` } : {}),
  }
}

function shown(room: PublishedRoom): JsonObject {
  const { name, topic, avatar_url, canonical_alias, room_type, join_rule } = room
  const optional = { name, topic, avatar_url, canonical_alias, room_type, join_rule }
  const present = Object.entries(optional).filter(([, value]) => value !== null)
  return {
    room_id: room.room_id,
    num_joined_members: room.joined_count,
    world_readable: room.history_visibility === 'world_readable',
    guest_can_join: room.guest_access === 'can_join',
    ...Object.fromEntries(present),
  }
}

/** The published rooms of another server, as it answers them. Throws 502 or 504 where it fails. */
export async function listRemotePublicRooms(
  deps: Pick<RoomsDeps, 'federation'>,
  server: ServerName,
  search: JsonObject,
): Promise<JsonObject> {
  const {
    chunk,
    next_batch,
    prev_batch,
    total_room_count_estimate: total,
  } = await deps.federation.publicRooms(server, search)
  if (!Array.isArray(chunk))
    throw new MatrixError('M_UNKNOWN', 'The server did not answer with a list of rooms', {}, 502)
  if (!isShallow(chunk as readonly Json[]))
    throw new MatrixError('M_UNKNOWN', 'The answer is nested too deeply', {}, 502)
  return {
    chunk,
    ...(typeof next_batch === 'string' ? { next_batch } : {}),
    ...(typeof prev_batch === 'string' ? { prev_batch } : {}),
    ...(typeof total === 'number' ? { total_room_count_estimate: total } : {}),
  }
}

/** Whether the rooms of a remote list can be written out again: nested no deeper than an event may be. */
function isShallow(chunk: readonly Json[]): boolean {
  try {
    canonicalEventJson({ chunk }, false)
    return true
  } catch {
    return false
  }
}

/** Whether a room is published. Throws `M_NOT_FOUND`. */
export async function isRoomPublished(deps: Pick<RoomsDeps, 'database'>, roomId: RoomId): Promise<boolean> {
  const row = await deps.database.read((conn) => findRoomById(conn, roomId))
  if (row === undefined || row.current_group === null) throw new MatrixError('M_NOT_FOUND', 'Room not found')
  return row.published
}

/** Publishes a room, or takes it out. Throws `M_NOT_FOUND`, and `M_FORBIDDEN` for who may not set the room's aliases. */
export async function publishRoom(
  deps: RoomsDeps,
  actor: Actor & { readonly admin: boolean },
  roomId: RoomId,
  isPublished: boolean,
): Promise<void> {
  const room = await deps.database.read((conn) => deps.roomCache.get(conn, roomId))
  await writeInRoom(deps, room, [actor.userNid], async (tx, current) => {
    const mayPublish =
      isAdmin(deps.config, actor) || (await maySendState(tx, deps, current, actor.userId, 'm.room.canonical_alias'))
    if (!mayPublish) throw new MatrixError('M_FORBIDDEN', 'You may not publish this room')
    await putRoomPublished(tx, room.nid, isPublished)
  })
}
