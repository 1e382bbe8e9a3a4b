import type { UserId } from '../protocol/ids.ts'
import { powerLevelsOf } from '../protocol/power-levels.ts'
import type { Conn } from '../store/database.ts'
import type { RoomsDeps } from './deps.ts'
import { membershipIn } from './member-append.ts'
import type { Room } from './room.ts'

/** Whether a user is joined and has the power to send state events of a type. */
export async function maySendState(
  conn: Conn,
  deps: Pick<RoomsDeps, 'roomCache'>,
  room: Room,
  userId: UserId,
  type: string,
): Promise<boolean> {
  const [create, levelsEvent] = await deps.roomCache.stateEvents(conn, room, [
    { type: 'm.room.create', stateKey: '' },
    { type: 'm.room.power_levels', stateKey: '' },
  ])
  if (create === undefined || (await membershipIn(conn, deps, room, userId)) !== 'join') return false
  const levels = powerLevelsOf(create, levelsEvent)
  return levels.levelOf(userId) >= levels.requiredFor(type, true)
}
