import { MatrixError } from '../protocol/errors.ts'
import type { EventId, RoomId, ServerName } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { findEventById, listEventIds, listEvents, type EventRow } from '../store/events.ts'
import { isHostJoined } from '../store/room-hosts.ts'
import { findRoom } from '../store/rooms.ts'
import { findServerNid } from '../store/servers.ts'
import { authChainOf } from './auth-chain.ts'
import { isAllowedByAcl } from './checks/server-acl.ts'
import type { RoomsDeps } from './deps.ts'
import { eventOfRow, loadEventsByIds } from './events.ts'
import { backfillPage, missingEventsFor } from './missing-events.ts'
import { namedForAuth } from './outliers.ts'
import { readForServer, readStateForServer } from './read-for-server.ts'
import type { Room } from './room.ts'
import { stateAtEvent } from './state.ts'

type Deps = Pick<RoomsDeps, 'database' | 'roomCache' | 'erased'>

/** State as another server gets it: texts of PDUs. */
export interface ServedState {
  readonly pdus: readonly string[]
  readonly authChain: readonly string[]
}

/** As `ServedState`, ids only. */
export interface ServedStateIds {
  readonly pduIds: readonly EventId[]
  readonly authChainIds: readonly EventId[]
}

/**
 * The room that a server asks about. Throws `M_FORBIDDEN` where the server is not in it or its ACL denies it, and the
 * same where the room is unknown here: nobody outside learns which rooms there are.
 */
export async function roomForServer(
  deps: Pick<Deps, 'roomCache'>,
  conn: Conn,
  server: ServerName,
  roomId: RoomId,
): Promise<Room> {
  const room = await deps.roomCache.find(conn, roomId)
  if (room === undefined || !(await isInRoom(deps, conn, room, server))) {
    throw new MatrixError('M_FORBIDDEN', 'the server is not in the room')
  }
  return room
}

/** One event. Throws `M_NOT_FOUND`, also where the server is not in the event's room. */
export async function serveEvent(deps: Deps, server: ServerName, eventId: EventId): Promise<string> {
  return deps.database.snapshot(async (conn) => {
    const row = await findEventById(conn, eventId)
    const roomRow = row === undefined ? undefined : await findRoom(conn, row.room_nid)
    const room = roomRow === undefined ? undefined : await deps.roomCache.find(conn, roomRow.room_id as RoomId)
    if (row === undefined || room === undefined || !(await isInRoom(deps, conn, room, server))) throw unknownEvent()
    const [text] = await readForServer(deps, conn, server, room, [row])
    if (text === undefined) throw unknownEvent()
    return text
  })
}

/** The state before an event, and its auth chain. Throws `M_FORBIDDEN`, `M_NOT_FOUND`. */
export async function serveState(
  deps: Deps,
  server: ServerName,
  roomId: RoomId,
  eventId: EventId,
): Promise<ServedState> {
  return deps.database.snapshot(async (conn) => {
    const room = await roomForServer(deps, conn, server, roomId)
    const { state, chain } = await stateNids(deps, conn, room, eventId)
    return {
      pdus: await readStateForServer(deps, conn, room, state),
      authChain: await readStateForServer(deps, conn, room, chain),
    }
  })
}

/** As `serveState`, ids only. */
export async function serveStateIds(
  deps: Deps,
  server: ServerName,
  roomId: RoomId,
  eventId: EventId,
): Promise<ServedStateIds> {
  return deps.database.snapshot(async (conn) => {
    const room = await roomForServer(deps, conn, server, roomId)
    const { state, chain } = await stateNids(deps, conn, room, eventId)
    return {
      pduIds: [...(await listEventIds(conn, state)).values()],
      authChainIds: [...(await listEventIds(conn, chain)).values()],
    }
  })
}

/** The auth chain of an event. Throws `M_FORBIDDEN`, `M_NOT_FOUND`. */
export async function serveAuthChain(
  deps: Deps,
  server: ServerName,
  roomId: RoomId,
  eventId: EventId,
): Promise<readonly string[]> {
  return deps.database.snapshot(async (conn) => {
    const room = await roomForServer(deps, conn, server, roomId)
    const row = await eventOfRoom(conn, room, eventId)
    const named = await loadEventsByIds(conn, room, namedForAuth(eventOfRow(room, row)))
    const direct = [...named.values()].map((found) => found.row.event_nid)
    const chain = new Set([...direct, ...(await authChainOf(deps, conn, direct))])
    return readStateForServer(deps, conn, room, [...chain])
  })
}

/** Events and those before them, newest first. Throws `M_FORBIDDEN`. */
export async function serveBackfill(
  deps: Deps,
  server: ServerName,
  roomId: RoomId,
  eventIds: readonly EventId[],
  limit: number,
): Promise<readonly string[]> {
  return deps.database.snapshot(async (conn) => {
    const room = await roomForServer(deps, conn, server, roomId)
    return serveNids(deps, conn, server, room, await backfillPage(conn, room, eventIds, limit))
  })
}

/** The events between two sets of events, oldest first. Throws `M_FORBIDDEN`. */
export async function serveMissingEvents(
  deps: Deps,
  server: ServerName,
  roomId: RoomId,
  asked: Parameters<typeof missingEventsFor>[2],
): Promise<readonly string[]> {
  return deps.database.snapshot(async (conn) => {
    const room = await roomForServer(deps, conn, server, roomId)
    return serveNids(deps, conn, server, room, await missingEventsFor(conn, room, asked))
  })
}

async function serveNids(
  deps: Deps,
  conn: Conn,
  server: ServerName,
  room: Room,
  nids: readonly number[],
): Promise<readonly string[]> {
  const rows = new Map((await listEvents(conn, nids)).map((row) => [row.event_nid, row]))
  const ordered = nids.map((nid) => rows.get(nid)).filter((row) => row !== undefined)
  return readForServer(deps, conn, server, room, ordered)
}

async function stateNids(
  deps: Deps,
  conn: Conn,
  room: Room,
  eventId: EventId,
): Promise<{ state: number[]; chain: number[] }> {
  const row = await eventOfRoom(conn, room, eventId)
  if (row.state_before === null || row.rejected !== null) throw unknownEvent()
  const state = [...(await stateAtEvent(deps, conn, row)).values()]
  return { state, chain: await authChainOf(deps, conn, state) }
}

async function eventOfRoom(conn: Conn, room: Room, eventId: EventId): Promise<EventRow> {
  const row = await findEventById(conn, eventId)
  if (row === undefined || row.room_nid !== room.nid) throw unknownEvent()
  return row
}

async function isInRoom(deps: Pick<Deps, 'roomCache'>, conn: Conn, room: Room, server: ServerName): Promise<boolean> {
  const serverNid = await findServerNid(conn, server)
  if (serverNid === undefined || !(await isHostJoined(conn, room.nid, serverNid))) return false
  return isAllowedByAcl(deps, conn, room, server)
}

function unknownEvent(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'no such event')
}
