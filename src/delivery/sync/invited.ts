import type { RoomEvent } from '../../protocol/event.ts'
import { strippedState, strippedStateTypes } from '../../protocol/stripped-state.ts'
import type { StrippedState } from '../../protocol/stripped-state.ts'
import { strippedWithoutErased } from '../../rooms/erasure-of.ts'
import type { Room } from '../../rooms/room.ts'
import type { SyncRoomRow } from '../../store/sync.ts'
import { listUsers } from '../../store/users.ts'
import type { SyncContext } from './context.ts'

/**
 * What somebody who is invited to a room, or knocks at it, sees of it: the stripped state that came with it, or that of a
 * room that this server is in. What erased persons wrote is pruned (P3).
 */
export async function strippedRoom(
  context: SyncContext,
  row: SyncRoomRow,
  room: Room,
): Promise<readonly StrippedState[]> {
  const given = row.stripped_state === null ? undefined : (JSON.parse(row.stripped_state) as StrippedState[])
  const events = given ?? (await ownStrippedState(context, row, room))
  const { deps, conn } = context
  return Promise.all(events.map((event) => strippedWithoutErased(deps, conn, room.version, event)))
}

async function ownStrippedState(
  { deps, conn, viewer }: SyncContext,
  row: SyncRoomRow,
  room: Room,
): Promise<StrippedState[]> {
  const sender = (await listUsers(conn, [row.sender_nid])).get(row.sender_nid)?.userId
  const members = [...new Set([viewer.userId, ...(sender === undefined ? [] : [sender])])]
  const events = await deps.roomCache.stateEvents(conn, room, [
    ...strippedStateTypes.map((type) => ({ type, stateKey: '' })),
    ...members.map((stateKey) => ({ type: 'm.room.member', stateKey })),
  ])
  return events.filter((event): event is RoomEvent => event !== undefined).map(strippedState)
}
