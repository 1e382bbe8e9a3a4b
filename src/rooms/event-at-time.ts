import { MatrixError } from '../protocol/errors.ts'
import type { RoomId, ServerName } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import type { ReadRow } from '../store/read-rows.ts'
import { findServerNid } from '../store/servers.ts'
import { listTimelineBack, listTimelineForward } from '../store/read-rows.ts'
import { findTimelineTime } from '../store/timeline-times.ts'
import { readableRoom } from './access.ts'
import type { RoomsDeps } from './deps.ts'
import type { Room } from './room.ts'
import { roomForServer } from './serve-server.ts'
import { ServerStanding } from './standing.ts'
import type { UserViewer } from './viewer.ts'

type Deps = Pick<RoomsDeps, 'database' | 'roomCache' | 'erased'>

/** `f`: the first event at or after a time; `b`: the last one at or before it. */
export type TimeDirection = 'f' | 'b'

/** An event, and when its sender says that it was sent. */
export interface FoundAtTime {
  readonly eventId: string
  readonly originServerTs: number
}

/** Senders' clocks differ, so that times are not quite in order: so many events to each side are looked at. */
const windowSize = 100

/** The event of a room nearest to a time, for a local user. Throws `M_FORBIDDEN`; `M_NOT_FOUND` where they may see none. */
export async function eventAtTime(
  deps: Deps,
  viewer: UserViewer,
  roomId: RoomId,
  ts: number,
  direction: TimeDirection,
): Promise<FoundAtTime> {
  return deps.database.snapshot(async (conn) => {
    const { room, standing } = await readableRoom(deps, conn, viewer, roomId)
    return nearest(conn, room, ts, direction, (row) => standing.maySee(row))
  })
}

/** As `eventAtTime`, for another server in the room. */
export async function serveEventAtTime(
  deps: Deps,
  server: ServerName,
  roomId: RoomId,
  ts: number,
  direction: TimeDirection,
): Promise<FoundAtTime> {
  return deps.database.snapshot(async (conn) => {
    const room = await roomForServer(deps, conn, server, roomId)
    const serverNid = (await findServerNid(conn, server)) ?? 0
    const standing = await ServerStanding.of(deps, conn, room, { kind: 'server', server, serverNid })
    return nearest(conn, room, ts, direction, (row) => standing.maySee(row))
  })
}

async function nearest(
  conn: Conn,
  room: Room,
  ts: number,
  direction: TimeDirection,
  maySee: (row: ReadRow) => Promise<boolean>,
): Promise<FoundAtTime> {
  const ord = await placeOf(conn, room, ts)
  const around = [
    ...(await listTimelineBack(conn, room.nid, ord, windowSize)),
    ...(await listTimelineForward(conn, room.nid, ord, windowSize)),
  ]
  const sign = direction === 'f' ? 1 : -1
  const candidates = around
    .filter((row) => (row.origin_server_ts - ts) * sign >= 0)
    .toSorted((a, b) => (a.origin_server_ts - b.origin_server_ts) * sign || ((a.ord ?? 0) - (b.ord ?? 0)) * sign)
  for (const row of candidates) {
    if (await maySee(row)) return { eventId: row.event_id, originServerTs: row.origin_server_ts }
  }
  throw new MatrixError('M_NOT_FOUND', 'No event near that time')
}

/** Where in the timeline a time is, by halving: some twenty looks at an index, however long the room is. */
async function placeOf(conn: Conn, room: Room, ts: number): Promise<number> {
  let low = room.nextBackOrd
  let high = room.nextOrd
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const found = await findTimelineTime(conn, room.nid, middle)
    if (found === undefined || found.ts >= ts) high = middle
    else low = Math.max(found.ord, middle) + 1
  }
  return low
}
