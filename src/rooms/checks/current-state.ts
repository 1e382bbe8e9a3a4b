import { checkAuth } from '../../protocol/auth/check.ts'
import type { Refusal } from '../../protocol/auth/state.ts'
import type { RoomEvent } from '../../protocol/event.ts'
import type { Conn } from '../../store/database.ts'
import { currentAuthState } from '../auth-state.ts'
import type { RoomsDeps } from '../deps.ts'
import type { Room } from '../room.ts'

/** Check 6 on receipt of a PDU: allowed by the current state of the room, else it is soft-failed. */
export async function checkCurrentState(
  deps: Pick<RoomsDeps, 'roomCache'>,
  conn: Conn,
  room: Room,
  event: RoomEvent,
): Promise<Refusal> {
  return checkAuth(event, (await currentAuthState(deps, conn, room, event)).state)
}
