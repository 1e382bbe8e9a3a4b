import { MatrixError } from '../protocol/errors.ts'
import type { RoomEventFilter } from '../protocol/filter.ts'
import { matchesRoom, matchesRoomEvent, matchesType } from '../protocol/filter-match.ts'
import type { EventId, RoomId, UserId } from '../protocol/ids.ts'
import type { Conn, StreamVector } from '../store/database.ts'
import { findEventById } from '../store/events.ts'
import type { ReadRow } from '../store/read-rows.ts'
import { listBackwardExtremities } from '../store/extremities.ts'
import { listRelatedBy } from '../store/relation-views.ts'
import { listStateKeys } from '../store/state-keys.ts'
import { listTimelineBack, listTimelineForward } from '../store/read-rows.ts'
import { listLivePositions } from '../store/timeline.ts'
import { readableRoom } from './access.ts'
import { eventOfRow } from './events.ts'
import { ignoredBy, isIgnored } from './ignored.ts'
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
/** The same for what surrounds an event. */
const mostAround = 500

/** How many of the newest events are looked at before an older token is searched for. */
const mostNewest = 100

/**
 * The `ord` of the newest event of a room that a vector of stream positions covers. Live events are covered in their
 * order, and history that came later stands before a live one: halving finds the place, however far back it is.
 */
export async function ordAt(conn: Conn, room: Pick<Room, 'nid'>, vector: StreamVector): Promise<number> {
  const isCovered = ({ writer, pos }: { readonly writer: number; readonly pos: number }) =>
    pos <= (vector.get(writer) ?? 0)
  const newest = await listLivePositions(conn, room.nid, newestOrd, mostNewest)
  const found = newest.find(isCovered)
  if (found !== undefined) return found.ord
  let best = oldestOrd
  let low = 1
  let high = (newest.at(-1)?.ord ?? low) - 1
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    const [row] = await listLivePositions(conn, room.nid, middle, 1)
    if (row === undefined || isCovered(row)) {
      best = row?.ord ?? best
      low = middle + 1
    } else high = row.ord - 1
  }
  return best
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
  const ignored = await ignoredBy(conn, viewer.userNid)
  const chunk: RenderedEvent[] = []
  let at = from
  let start = from
  let isAtEnd = false
  for (let seen = 0; chunk.length < limit && seen < mostRows && !isAtEnd;) {
    const most = Math.min(Math.max(limit - chunk.length, 20), 500)
    const rows = isBack
      ? await listTimelineBack(conn, room.nid, at, most)
      : await listTimelineForward(conn, room.nid, at, most)
    // where the page begins: what happens later comes after it
    const nearest = seen === 0 ? rows[0]?.ord : undefined
    if (nearest != null) start = isBack ? Math.min(from, nearest) : Math.max(from, nearest - 1)
    seen += rows.length
    isAtEnd = rows.length < most
    const inRange = rows.filter((row) => isWithin(row, request.to, isBack))
    if (inRange.length < rows.length) isAtEnd = true
    const wanted = await wantedOf(conn, room, inRange, filter, ignored)
    const shown = await readEvents(deps, conn, viewer, room, wanted, { standing, ignored })
    const taken = shown.slice(0, limit - chunk.length)
    chunk.push(...taken)
    const last = taken.length < shown.length || chunk.length === limit ? chunk.at(-1)?.row : inRange.at(-1)
    if (taken.length < shown.length) isAtEnd = false
    if (last?.ord !== undefined && last.ord !== null) at = isBack ? last.ord - 1 : last.ord
  }
  const newest = isBack ? chunk[0] : chunk.at(-1)
  const state = filter.lazyLoadMembers
    ? await readSenders(deps, conn, viewer, room, standing, chunk, newest?.row.state_after ?? null)
    : []
  return {
    chunk,
    start: formatRoomToken(start),
    end: isAtEnd && (isBack || chunk.length === 0) ? undefined : formatRoomToken(at),
    state,
    isShort: isBack && (await hasGap(conn, room, { from, at, isAtEnd })),
    room,
  }
}

/** Whether history is missing in a page that goes back: predecessors of an event in it are not stored. */
async function hasGap(
  conn: Conn,
  room: Room,
  page: { readonly from: number; readonly at: number; readonly isAtEnd: boolean },
): Promise<boolean> {
  const gaps = await listBackwardExtremities(conn, room.nid)
  return gaps.some(({ ord }) => (ord === null ? page.isAtEnd : ord <= page.from && (page.isAtEnd || ord > page.at)))
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
  if (row === undefined || row.room_nid !== room.nid || row.ord === null)
    throw new MatrixError('M_NOT_FOUND', 'Event not found')
  const [event] = await readEvents(deps, conn, viewer, room, [row], { standing })
  if (event === undefined) throw new MatrixError('M_NOT_FOUND', 'Event not found')
  const ignored = await ignoredBy(conn, viewer.userNid)
  const near = async (direction: 'b' | 'f', most: number) => {
    const found: RenderedEvent[] = []
    let at = direction === 'b' ? (row.ord as number) - 1 : (row.ord as number)
    for (let seen = 0; found.length < most && seen < mostAround;) {
      const list = direction === 'b' ? listTimelineBack : listTimelineForward
      const rows = await list(conn, room.nid, at, Math.max(most, 20))
      const wanted = await wantedOf(conn, room, rows, options.filter, ignored)
      found.push(...(await readEvents(deps, conn, viewer, room, wanted, { standing, ignored })))
      seen += rows.length
      const last = rows.at(-1)
      if (rows.length < Math.max(most, 20) || last === undefined || last.ord === null) break
      at = direction === 'b' ? last.ord - 1 : last.ord
    }
    return found.slice(0, most)
  }
  const half = Math.ceil(options.limit / 2)
  const before = await near('b', half)
  const after = await near('f', options.limit - half)
  const newest = after.at(-1)?.row ?? row
  const around = [...before, event, ...after]
  const group = newest.state_after ?? 0
  const state = await readStateAround(deps, conn, viewer, room, standing, { group, around, filter: options.filter })
  return {
    event,
    before,
    after,
    state,
    start: formatRoomToken((before.at(-1)?.row.ord ?? row.ord) - 1),
    end: formatRoomToken(newest.ord ?? row.ord),
  }
}

/** The state that goes with a context, as far as the filter wants it; with lazy loading only of those members who sent something. */
async function readStateAround(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  room: Room,
  standing: UserStanding,
  wish: {
    readonly group: number
    readonly around: readonly RenderedEvent[]
    readonly filter: RoomEventFilter
  },
): Promise<RenderedEvent[]> {
  const { group, around, filter } = wish
  const isLazy = filter.lazyLoadMembers
  const map = await stateGroupMap(deps, conn, group)
  const keys = isLazy ? await listStateKeys(conn, [...map.keys()]) : undefined
  const nids = [...map].filter(([key]) => keys?.get(key)?.type !== 'm.room.member').map(([, nid]) => nid)
  const state = await readState(deps, conn, viewer, room, nids, { standing })
  if (isLazy) state.push(...(await readSenders(deps, conn, viewer, room, standing, around, group)))
  return state.filter(({ row }) => matchesFilter(room, row, filter))
}

/** One event: `GET /rooms/{roomId}/event/{eventId}`. `M_NOT_FOUND` for whatever the user may not see, rooms as well. */
export async function readEvent(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  roomId: RoomId,
  eventId: EventId,
): Promise<RenderedEvent> {
  const readable = await readableRoom(deps, conn, viewer, roomId).catch((error: unknown) => {
    if (error instanceof MatrixError && error.errcode === 'M_FORBIDDEN')
      throw new MatrixError('M_NOT_FOUND', 'Event not found')
    throw error
  })
  const { room, standing } = readable
  const row = await findEventById(conn, eventId)
  const isInRoom = row !== undefined && row.room_nid === room.nid && row.ord !== null
  const [event] = isInRoom ? await readEvents(deps, conn, viewer, room, [row], { standing }) : []
  if (event === undefined) throw new MatrixError('M_NOT_FOUND', 'Event not found')
  return event
}

/** Does a filter let a stored event through, relations aside? The text is read only where the type does not say it. */
export function matchesFilter(room: Room, row: ReadRow, filter: RoomEventFilter): boolean {
  if (!matchesRoom(filter, room.id) || !matchesType(filter, row.type)) return false
  const isOpen = filter.senders === undefined && filter.notSenders.size === 0 && filter.containsUrl === undefined
  return isOpen || matchesRoomEvent(filter, room.id, eventOfRow(room, row))
}

/** Those of the events that the filter lets through and that are no messages of somebody ignored. */
async function wantedOf(
  conn: Conn,
  room: Room,
  rows: readonly ReadRow[],
  filter: RoomEventFilter,
  ignored: ReadonlySet<number>,
): Promise<ReadRow[]> {
  const wanted = rows.filter((row) => !isIgnored(ignored, row) && matchesFilter(room, row, filter))
  const { relatedBySenders, relatedByRelTypes } = filter
  if (relatedBySenders === undefined && relatedByRelTypes === undefined) return wanted
  const parents = new Set(
    (
      await listRelatedBy(
        conn,
        wanted.map((row) => row.event_id as EventId),
      )
    )
      .filter(({ sender }) => relatedBySenders?.has(sender) ?? true)
      .filter(({ rel_type: relType }) => relatedByRelTypes?.has(relType) ?? true)
      .map(({ parent }) => parent as string),
  )
  return wanted.filter((row) => parents.has(row.event_id))
}

/** The member events of those who sent the events, in a state group: that of the newest of them. */
async function readSenders(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  room: Room,
  standing: UserStanding,
  events: readonly RenderedEvent[],
  group: number | null,
): Promise<RenderedEvent[]> {
  if (group === null || events.length === 0) return []
  const senders = new Set<UserId>(events.map(({ row }) => eventOfRow(room, row).sender))
  const keys = [...senders].map((stateKey) => ({ type: 'm.room.member', stateKey }))
  const nids = await stateNidsAtGroup(deps, conn, group, keys)
  return readState(deps, conn, viewer, room, [...nids.values()], { standing })
}

function isWithin(row: ReadRow, to: number | undefined, isBack: boolean): boolean {
  if (to === undefined || row.ord === null) return true
  return isBack ? row.ord > to : row.ord <= to
}
