import { MatrixError } from '../protocol/errors.ts'
import type { RoomId } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { listCurrentState } from '../store/current-state.ts'
import { findEvent } from '../store/events.ts'
import { listTimelineBack } from '../store/timeline.ts'
import { readableRoom } from './access.ts'
import type { ReadableRoom } from './access.ts'
import { readState } from './read-events.ts'
import type { RenderedEvent } from './read-events.ts'
import type { ReadDeps } from './read-options.ts'
import type { Room } from './room.ts'
import { stateGroupMap, stateNidsAtGroup } from './state.ts'
import type { UserViewer } from './viewer.ts'

/** The state group that a reader sees as the current state: now, or when they left. */
async function groupFor(conn: Conn, { room, standing, leftAt }: ReadableRoom): Promise<number> {
  if (leftAt === undefined || standing.row === undefined) return room.currentGroup
  const row = await findEvent(conn, standing.row.event_nid)
  return row?.state_after ?? room.currentGroup
}

/** The whole state of a room as the user may see it: `GET /rooms/{roomId}/state`. Throws `M_FORBIDDEN`. */
export async function readRoomState(deps: ReadDeps, conn: Conn, viewer: UserViewer, roomId: RoomId): Promise<RenderedEvent[]> {
  const readable = await readableRoom(deps, conn, viewer, roomId)
  const group = await groupFor(conn, readable)
  const nids =
    group === readable.room.currentGroup
      ? (await listCurrentState(conn, readable.room.nid)).map(({ eventNid }) => eventNid)
      : [...(await stateGroupMap(deps, conn, group)).values()]
  return readState(deps, conn, viewer, readable.room, nids, { standing: readable.standing })
}

/** One event of the state: `GET /rooms/{roomId}/state/{eventType}/{stateKey}`. Throws `M_FORBIDDEN` or `M_NOT_FOUND`. */
export async function readStateEvent(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  roomId: RoomId,
  key: { readonly type: string; readonly stateKey: string },
): Promise<RenderedEvent> {
  const readable = await readableRoom(deps, conn, viewer, roomId)
  const nids = await stateNidsAtGroup(deps, conn, await groupFor(conn, readable), [key])
  const [event] = await readState(deps, conn, viewer, readable.room, [...nids.values()], { standing: readable.standing })
  if (event === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such state')
  return event
}

/**
 * The member events of a room, now or at a place in the timeline: `GET /rooms/{roomId}/members`. A user who left sees
 * those of that moment. Throws `M_FORBIDDEN`.
 */
export async function readMembers(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  roomId: RoomId,
  atOrd: ((room: Room) => Promise<number>) | undefined,
): Promise<RenderedEvent[]> {
  const readable = await readableRoom(deps, conn, viewer, roomId)
  const { room, standing } = readable
  let group = await groupFor(conn, readable)
  if (atOrd !== undefined) {
    const ord = Math.min(await atOrd(room), readable.leftAt ?? Infinity)
    const [row] = await listTimelineBack(conn, room.nid, ord, 1)
    group = row?.state_after ?? group
  }
  const nids = new Set((await stateGroupMap(deps, conn, group)).values())
  const events = await readState(deps, conn, viewer, room, [...nids], { standing })
  return events.filter(({ row }) => row.type === 'm.room.member')
}
