import type { RoomEvent } from '../../protocol/event.ts'
import { parseUserId } from '../../protocol/ids.ts'
import type { UserId } from '../../protocol/ids.ts'
import { redactContent } from '../../protocol/redact.ts'
import { strippedState, strippedStateTypes } from '../../protocol/stripped-state.ts'
import type { StrippedState } from '../../protocol/stripped-state.ts'
import { pruneRule } from '../../rooms/prune-rule.ts'
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
  return Promise.all(events.map((event) => withoutErased(context, room, event)))
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

async function withoutErased({ deps, conn }: SyncContext, room: Room, event: StrippedState): Promise<StrippedState> {
  if (deps.erased.isEmpty) return event
  const { type, state_key: stateKey, content } = event
  const sender: UserId | undefined = parseUserId(event.sender)
  const senderNid = sender === undefined ? undefined : await deps.roomCache.userNid(conn, sender)
  const mark = senderNid === undefined ? undefined : deps.erased.of(senderNid)
  if (mark === undefined || mark.returnedTs !== undefined) return event
  const { version } = room
  const { stored, strip } = pruneRule({ type, stateKey, content, version }, true)
  if (stored === 'prune') return { ...event, content: redactContent(version, type, content) }
  const kept = Object.entries(content).filter(([key]) => !strip.includes(key))
  return { ...event, content: Object.fromEntries(kept) }
}
