import { MatrixError } from '../protocol/errors.ts'
import type { EventId, RoomId } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { findEventById, listEvents } from '../store/events.ts'
import { listChildren } from '../store/timeline.ts'
import { readableRoom } from './access.ts'
import { readEvents } from './read-events.ts'
import type { RenderedEvent } from './read-events.ts'
import type { ReadDeps } from './read-options.ts'
import { formatRoomToken } from './room-token.ts'
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
): Promise<{ chunk: RenderedEvent[]; next: string | undefined; previous: string | undefined; depth: number | undefined }> {
  const { room, standing } = await readableRoom(deps, conn, viewer, roomId)
  const parent = await findEventById(conn, request.eventId)
  const isThere = parent !== undefined && parent.room_nid === room.nid && (await standing.maySee(parent))
  if (!isThere) throw new MatrixError('M_NOT_FOUND', 'Event not found')
  const isBack = request.direction === 'b'
  const from = request.from ?? (isBack ? newestOrd : oldestOrd)
  const children = new Map<number, { event_nid: number; ord: number }>()
  let parents: string[] = [request.eventId]
  for (let depth = 0; depth < (request.recurse ? deepest : 1) && parents.length > 0; depth++) {
    const nids: number[] = []
    for (const id of parents) {
      if (children.size >= mostChildren) break
      for (const child of await listChildren(conn, room.nid, id, { ord: from, direction: request.direction }, request.recurse ? mostChildren : request.limit * 5 + 1)) {
        const isWanted = (request.relType === undefined || child.rel_type === request.relType) && (request.eventType === undefined || child.type === request.eventType)
        if (request.recurse || isWanted) nids.push(child.event_nid)
        if (isWanted) children.set(child.event_nid, child)
      }
    }
    parents = request.recurse ? (await listEvents(conn, nids)).map((row) => row.event_id) : []
  }
  const inRange = [...children.values()].filter(({ ord }) => request.to === undefined || (isBack ? ord > request.to : ord <= request.to))
  const ordered = inRange.toSorted((a, b) => (isBack ? b.ord - a.ord : a.ord - b.ord))
  const page = ordered.slice(0, request.limit)
  const rows = new Map((await listEvents(conn, page.map(({ event_nid }) => event_nid))).map((row) => [row.event_nid, row]))
  const chunk = await readEvents(deps, conn, viewer, room, page.flatMap(({ event_nid }) => rows.get(event_nid) ?? []), { standing })
  const last = page.at(-1)
  return {
    chunk,
    next: ordered.length > page.length && last !== undefined ? formatRoomToken(isBack ? last.ord - 1 : last.ord) : undefined,
    previous: request.from === undefined ? undefined : formatRoomToken(request.from),
    depth: request.recurse ? deepest : undefined,
  }
}
