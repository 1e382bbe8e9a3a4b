import { MatrixError } from '../protocol/errors.ts'
import type { RoomId } from '../protocol/ids.ts'
import { historyVisibilityOf } from '../protocol/visibility.ts'
import type { Conn } from '../store/database.ts'
import type { RoomsDeps } from './deps.ts'
import type { Room } from './room.ts'
import { UserStanding } from './standing.ts'
import type { UserViewer } from './viewer.ts'

/** A room that a user may read, and how far. */
export interface ReadableRoom {
  readonly room: Room
  readonly standing: UserStanding
  /** The user left: the state that they see is the one of that moment, and this is the event's place where it has one. */
  readonly leftAt: number | undefined
  readonly hasLeft: boolean
}

const forbidden = () => new MatrixError('M_FORBIDDEN', 'You are not in this room')

/**
 * The room, for a user who is or was joined and has not forgotten it, or for anybody where the world may read it. Throws
 * `M_FORBIDDEN`, for unknown rooms as well: whether a room exists is not told.
 */
export async function readableRoom(
  deps: Pick<RoomsDeps, 'roomCache' | 'erased'>,
  conn: Conn,
  viewer: UserViewer,
  roomId: RoomId,
): Promise<ReadableRoom> {
  await deps.erased.refresh(conn)
  const room = await deps.roomCache.find(conn, roomId)
  if (room === undefined) throw forbidden()
  const standing = await UserStanding.of(deps, conn, room, viewer)
  if (standing.membership === 'join') return { room, standing, leftAt: undefined, hasLeft: false }
  const setting = historyVisibilityOf(await deps.roomCache.stateEvent(conn, room, 'm.room.history_visibility', ''))
  if (setting === 'world_readable') return { room, standing, leftAt: undefined, hasLeft: false }
  const isGone = standing.membership === 'leave' || standing.membership === 'ban'
  if (isGone && standing.wasJoined && standing.row?.forgotten === false)
    return { room, standing, leftAt: standing.row.ord ?? undefined, hasLeft: true }
  throw forbidden()
}
