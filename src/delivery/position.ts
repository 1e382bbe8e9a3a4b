import { MatrixError } from '../protocol/errors.ts'
import { parseRoomToken } from '../rooms/room-token.ts'
import type { Room } from '../rooms/room.ts'
import { ordAt } from '../rooms/timeline.ts'
import type { Conn } from '../store/database.ts'
import { vectorOfToken } from './sync/token.ts'

/**
 * The place in a room's timeline that a token means: one of this room's own, or one from `/sync` (client-server API,
 * "Pagination": both are given to `/messages` and `/members`). Throws `M_INVALID_PARAM` for anything else.
 */
export async function positionOf(conn: Conn, room: Pick<Room, 'nid'>, token: string): Promise<number> {
  const ord = parseRoomToken(token)
  if (ord !== undefined) return ord
  const vector = vectorOfToken(token)
  if (vector === undefined) throw new MatrixError('M_INVALID_PARAM', 'not a token of this server')
  return ordAt(conn, room, vector)
}
