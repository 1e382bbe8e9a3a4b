import { MatrixError } from '../protocol/errors.ts'
import type { RoomId } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { listCurrentState } from '../store/current-state.ts'
import { findEvent } from '../store/events.ts'
import { listStateKeys } from '../store/state-keys.ts'
import { listTimelineBack, listTimelineForward } from '../store/read-rows.ts'
import { nextTurn } from '../util/next-turn.ts'
import { readableRoom } from './access.ts'
import type { ReadableRoom } from './access.ts'
import { readState } from './read-events.ts'
import type { RenderedEvent } from './read-events.ts'
import type { ReadDeps } from './read-options.ts'
import type { Room } from './room.ts'
import { stateGroupMap, stateNidsAtGroup } from './state.ts'
import type { UserViewer } from './viewer.ts'

/** The state group that a reader sees as the current state: now, or when they left. */
async function groupFor(conn: Conn, { room, standing, hasLeft }: ReadableRoom): Promise<number> {
  if (!hasLeft || standing.row === undefined) return room.currentGroup
  const row = await findEvent(conn, standing.row.event_nid)
  // a leave outside the graph has no state: then the one of today is not shown instead
  return row?.state_after ?? 0
}

/** How many events are looked through for the first one that a member may see. */
const mostSkipped = 1_000

/**
 * The state group at a place in the timeline, as far as the user may know it: before the time from which they see
 * events, the state that was there when it began.
 */
async function groupAt(conn: Conn, { room, standing, leftAt }: ReadableRoom, at: number): Promise<number | undefined> {
  const ord = Math.min(at, leftAt ?? Infinity)
  const [row] = await listTimelineBack(conn, room.nid, ord, 1)
  if (row !== undefined && (await standing.maySee(row))) return row.current_after ?? row.state_after ?? undefined
  for (const next of await listTimelineForward(conn, room.nid, ord, mostSkipped))
    if (await standing.maySee(next)) return next.state_before ?? undefined
  return undefined
}

/** The whole state of a room as the user may see it: `GET /rooms/{roomId}/state`. Throws `M_FORBIDDEN`. */
export async function readRoomState(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  roomId: RoomId,
): Promise<RenderedEvent[]> {
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
  const [event] = await readState(deps, conn, viewer, readable.room, [...nids.values()], {
    standing: readable.standing,
  })
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
  const asked = atOrd === undefined ? undefined : await groupAt(conn, readable, await atOrd(room))
  const group = asked ?? (await groupFor(conn, readable))
  const members = await memberNids(conn, await stateGroupMap(deps, conn, group))
  const shown: RenderedEvent[] = []
  for (let start = 0; start < members.length; start += slice) {
    if (start > 0) await nextTurn()
    shown.push(...(await readState(deps, conn, viewer, room, members.slice(start, start + slice), { standing })))
  }
  return shown
}

/** So many members are put together without letting others have their turn. */
const slice = 250

async function memberNids(conn: Conn, state: ReadonlyMap<number, number>): Promise<number[]> {
  const keys = await listStateKeys(conn, [...state.keys()])
  return [...state].filter(([key]) => keys.get(key)?.type === 'm.room.member').map(([, eventNid]) => eventNid)
}
