import { MatrixError } from '../protocol/errors.ts'
import type { EventId, RoomId } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { findEventById, listEvents } from '../store/events.ts'
import { listChildrenOf, listThreadRoots } from '../store/relation-views.ts'
import type { ChildRow } from '../store/relation-views.ts'
import { readableRoom } from './access.ts'
import { ignoredBy, isIgnored } from './ignored.ts'
import { readEvents } from './read-events.ts'
import type { RenderedEvent } from './read-events.ts'
import type { ReadDeps } from './read-options.ts'
import { formatRoomToken } from './room-token.ts'
import type { Room } from './room.ts'
import { newestOrd, oldestOrd } from './timeline.ts'
import type { UserViewer } from './viewer.ts'

/** What relations are asked for. */
export interface RelationsRequest {
  readonly eventId: EventId
  readonly relType: string | undefined
  readonly eventType: string | undefined
  readonly direction: 'b' | 'f'
  readonly from: number | undefined
  readonly to: number | undefined
  readonly limit: number
  /** also what relates to what relates to the event, up to 3 deep */
  readonly recurse: boolean
}

const deepest = 3
const mostChildren = 1_000

/** Events that relate to an event: `GET /rooms/{roomId}/relations/{eventId}`. Throws `M_FORBIDDEN` or `M_NOT_FOUND`. */
export async function readRelations(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  roomId: RoomId,
  request: RelationsRequest,
): Promise<{
  chunk: RenderedEvent[]
  next: string | undefined
  previous: string | undefined
  depth: number | undefined
}> {
  const { room, standing } = await readableRoom(deps, conn, viewer, roomId)
  const parent = await findEventById(conn, request.eventId)
  const isThere = parent !== undefined && parent.room_nid === room.nid && (await standing.maySee(parent))
  if (!isThere) throw new MatrixError('M_NOT_FOUND', 'Event not found')
  const { direction, relType, eventType, limit } = request
  const isBack = direction === 'b'
  const from = request.from ?? (isBack ? newestOrd : oldestOrd)
  const ignored = await ignoredBy(conn, viewer.userNid)
  const children = new Map<number, ChildRow>()
  if (request.recurse) {
    let parents: EventId[] = [request.eventId]
    const known = new Set<EventId>(parents)
    for (let depth = 0; depth < deepest && parents.length > 0; depth++) {
      const found = await listChildrenOf(conn, room.nid, parents, { direction, ord: from, most: mostChildren })
      for (const child of found)
        if ((relType ?? child.rel_type) === child.rel_type && (eventType ?? child.type) === child.type)
          children.set(child.event_nid, child)
      parents = found.map(({ event_id: eventId }) => eventId).filter((eventId) => !known.has(eventId))
      for (const eventId of parents) known.add(eventId)
    }
  } else {
    // one more tells whether there is a next page
    for (const child of await listChildrenOf(conn, room.nid, [request.eventId], {
      direction,
      ord: from,
      relType,
      eventType,
      most: limit + 1,
    }))
      children.set(child.event_nid, child)
  }
  const inRange = [...children.values()].filter(
    ({ ord }) => request.to === undefined || (isBack ? ord > request.to : ord <= request.to),
  )
  const ordered = inRange.toSorted((a, b) => (isBack ? b.ord - a.ord : a.ord - b.ord))
  const page = ordered.slice(0, limit)
  const rows = new Map(
    (
      await listEvents(
        conn,
        page.map(({ event_nid }) => event_nid),
      )
    ).map((row) => [row.event_nid, row]),
  )
  const chunk = await readEvents(
    deps,
    conn,
    viewer,
    room,
    page.flatMap(({ event_nid }) => rows.get(event_nid) ?? []).filter((row) => !isIgnored(ignored, row)),
    { standing, ignored },
  )
  const last = page.at(-1)
  return {
    chunk,
    next:
      ordered.length > page.length && last !== undefined
        ? formatRoomToken(isBack ? last.ord - 1 : last.ord)
        : undefined,
    previous: request.from === undefined ? undefined : formatRoomToken(request.from),
    depth: request.recurse ? deepest : undefined,
  }
}

/** Which page of a room's threads. */
export interface ThreadsRequest {
  readonly participated: boolean
  /** the place after which threads have no newest event; asked once the room is known to be readable */
  readonly from: ((room: Room) => Promise<number>) | undefined
  readonly limit: number
}

/** The roots of a room's threads, the newest thread first: `GET /rooms/{roomId}/threads`. Throws `M_FORBIDDEN`. */
export async function readThreads(
  deps: ReadDeps,
  conn: Conn,
  viewer: UserViewer,
  roomId: RoomId,
  { participated, from, limit }: ThreadsRequest,
): Promise<{ chunk: RenderedEvent[]; next: string | undefined }> {
  const { room, standing } = await readableRoom(deps, conn, viewer, roomId)
  const before = from === undefined ? newestOrd : (await from(room)) + 1
  const roots = await listThreadRoots(conn, room.nid, {
    before,
    most: limit + 1,
    participant: viewer.userNid,
    all: !participated,
  })
  const page = roots.slice(0, limit)
  const rows = new Map(
    (
      await listEvents(
        conn,
        page.map(({ event_nid }) => event_nid),
      )
    ).map((row) => [row.event_nid, row]),
  )
  const ignored = await ignoredBy(conn, viewer.userNid)
  const ordered = page.flatMap(({ event_nid: nid }) => rows.get(nid) ?? []).filter((row) => !isIgnored(ignored, row))
  const last = page.at(-1)
  return {
    chunk: await readEvents(deps, conn, viewer, room, ordered, { standing, ignored }),
    next: roots.length > page.length && last !== undefined ? formatRoomToken(last.last_ord - 1) : undefined,
  }
}
