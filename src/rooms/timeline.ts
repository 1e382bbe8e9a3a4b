import { MatrixError } from '../protocol/errors.ts'
import type { RoomEventFilter } from '../protocol/filter.ts'
import { matchesRoomEvent } from '../protocol/filter-match.ts'
import type { EventId, RoomId, UserId } from '../protocol/ids.ts'
import type { Conn, StreamVector } from '../store/database.ts'
import { findEventById } from '../store/events.ts'
import type { EventRow } from '../store/events.ts'
import { listTimelineBack, listTimelineForward, listTimelinePositions } from '../store/timeline.ts'
import { readableRoom } from './access.ts'
import { eventOfRow } from './events.ts'
import { readEvents, readState } from './read-events.ts'
import type { RenderedEvent } from './read-events.ts'
import type { ReadDeps } from './read-options.ts'
import { formatRoomToken } from './room-token.ts'
import type { Room } from './room.ts'
import { stateGroupMap, stateNidsAtGroup } from './state.ts'
import type { UserStanding } from './standing.ts'
import type { UserViewer } from './viewer.ts'

/** The end of every timeline. */
export const newestOrd = Number.MAX_SAFE_INTEGER
/** Before every timeline. */
export const oldestOrd = Number.MIN_SAFE_INTEGER

/** Which page of a timeline. */
export interface PageRequest {
  readonly direction: 'b' | 'f'
  /** between events: after this `ord` */
  readonly from: number
  readonly to: number | undefined
  readonly limit: number
  readonly filter: RoomEventFilter
}

/** A page of a timeline. */
export interface Page {
  readonly chunk: readonly RenderedEvent[]
  readonly start: string
  /** undefined: there is nothing more in this direction */
  readonly end: string | undefined
  readonly state: readonly RenderedEvent[]
}

/** How many rows a request may look through for events that its reader sees and its filter lets through. */
const mostRows = 5_000

/** The `ord` of the newest event of a room that a vector of stream positions covers. */
export async function ordAt(conn: Conn, room: Pick<Room, 'nid'>, vector: StreamVector): Promise<number> {
  let below = newestOrd
  for (;;) {
    const rows = await listTimelinePositions(conn, room.nid, below, 200)
    const found = rows.find(({ writer, pos }) => pos <= (vector.get(writer) ?? 0))
    if (found !== undefined) return found.ord
    const last = rows.at(-1)
    if (last === undefined) return oldestOrd
    below = last.ord - 1
  }
}

/** A page of a room's timeline: `GET /rooms/{roomId}/messages`. Throws `M_FORBIDDEN`. */
export async function readPage(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  roomId: RoomId,
  positions: (room: Room) => Promise<PageRequest>,
): Promise<Page & { readonly isShort: boolean; readonly room: Room }> {
  const { room, standing, leftAt } = await readableRoom(deps, conn, viewer, roomId)
  const request = await positions(room)
  const { direction, limit, filter } = request
  const isBack = direction === 'b'
  const from = isBack && leftAt !== undefined ? Math.min(request.from, leftAt) : request.from
  const chunk: RenderedEvent[] = []
  let at = from
  let isAtEnd = false
  for (let seen = 0; chunk.length < limit && seen < mostRows && !isAtEnd; ) {
    const most = Math.min(Math.max(limit - chunk.length, 20), 500)
    const rows = isBack ? await listTimelineBack(conn, room.nid, at, most) : await listTimelineForward(conn, room.nid, at, most)
    seen += rows.length
    isAtEnd = rows.length < most
    const inRange = rows.filter((row) => isWithin(row, request.to, isBack))
    if (inRange.length < rows.length) isAtEnd = true
    const wanted = inRange.filter((row) => matchesFilter(room, row, filter))
    const shown = await readEvents(deps, conn, viewer, room, wanted, { standing })
    const taken = shown.slice(0, limit - chunk.length)
    chunk.push(...taken)
    const last = taken.length < shown.length || chunk.length === limit ? chunk.at(-1)?.row : inRange.at(-1)
    if (taken.length < shown.length) isAtEnd = false
    if (last?.ord !== undefined && last.ord !== null) at = isBack ? last.ord - 1 : last.ord
  }
  const state = filter.lazyLoadMembers ? await readSenders(deps, conn, viewer, room, standing, chunk) : []
  return {
    chunk,
    start: formatRoomToken(from),
    end: isAtEnd && (isBack || chunk.length === 0) ? undefined : formatRoomToken(at),
    state,
    isShort: isAtEnd && isBack && request.to === undefined,
    room,
  }
}

/** An event and what surrounds it: `GET /rooms/{roomId}/context/{eventId}`. Throws `M_FORBIDDEN` or `M_NOT_FOUND`. */
export async function readContext(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  roomId: RoomId,
  eventId: EventId,
  options: { readonly limit: number; readonly filter: RoomEventFilter },
) {
  const { room, standing } = await readableRoom(deps, conn, viewer, roomId)
  const row = await findEventById(conn, eventId)
  if (row === undefined || row.room_nid !== room.nid || row.ord === null) throw new MatrixError('M_NOT_FOUND', 'Event not found')
  const [event] = await readEvents(deps, conn, viewer, room, [row], { standing })
  if (event === undefined) throw new MatrixError('M_NOT_FOUND', 'Event not found')
  const half = Math.floor(options.limit / 2)
  const near = async (rows: EventRow[]) =>
    readEvents(deps, conn, viewer, room, rows.filter((near) => matchesFilter(room, near, options.filter)), { standing })
  const before = half === 0 ? [] : await near(await listTimelineBack(conn, room.nid, row.ord - 1, half))
  const after = options.limit - half - 1 <= 0 ? [] : await near(await listTimelineForward(conn, room.nid, row.ord, options.limit - half - 1))
  const newest = after.at(-1)?.row ?? row
  const all = [...before, event, ...after]
  const state = options.filter.lazyLoadMembers
    ? await readSenders(deps, conn, viewer, room, standing, all, newest.state_after ?? room.currentGroup)
    : await readState(deps, conn, viewer, room, [...(await stateGroupMap(deps, conn, newest.state_after ?? room.currentGroup)).values()], { standing })
  return {
    event,
    before,
    after,
    state,
    start: formatRoomToken((before.at(-1)?.row.ord ?? row.ord) - 1),
    end: formatRoomToken(newest.ord ?? row.ord),
  }
}

/** One event: `GET /rooms/{roomId}/event/{eventId}`. `M_NOT_FOUND` also for what the user may not see. */
export async function readEvent(deps: ReadDeps, conn: Conn, viewer: UserViewer, roomId: RoomId, eventId: EventId): Promise<RenderedEvent> {
  const { room, standing } = await readableRoom(deps, conn, viewer, roomId)
  const row = await findEventById(conn, eventId)
  const isInRoom = row !== undefined && row.room_nid === room.nid && row.ord !== null
  const [event] = isInRoom ? await readEvents(deps, conn, viewer, room, [row], { standing }) : []
  if (event === undefined) throw new MatrixError('M_NOT_FOUND', 'Event not found')
  return event
}

/** Does a filter let a stored event through? */
export function matchesFilter(room: Room, row: EventRow, filter: RoomEventFilter): boolean {
  const isOpen =
    filter.types === undefined && filter.notTypes.length === 0 && filter.senders === undefined && filter.notSenders.size === 0 &&
    filter.containsUrl === undefined && filter.rooms === undefined && filter.notRooms.size === 0
  return isOpen || matchesRoomEvent(filter, room.id, eventOfRow(room, row))
}

/** The member events of those who sent the events, as they were at the newest of them. */
export async function readSenders(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  room: Room,
  standing: UserStanding,
  events: readonly RenderedEvent[],
  group: number | null = events[0]?.row.state_after ?? null,
): Promise<RenderedEvent[]> {
  if (group === null || events.length === 0) return []
  const senders = new Set<UserId>(events.map(({ row }) => eventOfRow(room, row).sender))
  const keys = [...senders].map((stateKey) => ({ type: 'm.room.member', stateKey }))
  const nids = await stateNidsAtGroup(deps, conn, group, keys)
  return readState(deps, conn, viewer, room, [...nids.values()], { standing })
}

function isWithin(row: EventRow, to: number | undefined, isBack: boolean): boolean {
  if (to === undefined || row.ord === null) return true
  return isBack ? row.ord > to : row.ord <= to
}
