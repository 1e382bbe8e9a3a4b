import type { RoomId, ServerName } from '../protocol/ids.ts'
import { pruneEvent } from '../protocol/redact.ts'
import { findRoomVersion } from '../protocol/room-version.ts'
import type { Conn } from '../store/database.ts'
import { listEvents } from '../store/events.ts'
import type { EventRow } from '../store/events.ts'
import { findRoom } from '../store/rooms.ts'
import { findServerNid } from '../store/servers.ts'
import type { RoomsDeps } from './deps.ts'
import { formOf, inForm } from './event-form.ts'
import { eventOfRow } from './events.ts'
import type { Room } from './room.ts'
import { ServerStanding } from './standing.ts'

type Deps = Pick<RoomsDeps, 'roomCache' | 'erased'>

const nobody = () => Promise.resolve(false)

/** The stored text of an event as other servers get it: pruned where its sender is erased (ERASURE.md, section 4). */
export async function textForServers(deps: Deps, conn: Conn, room: Room, row: EventRow): Promise<string> {
  const form = await formOf(deps, conn, room, row, nobody)
  return form.name === 'p' ? inForm(eventOfRow(room, row), form).event.text : row.json
}

/** Events for the queue to another server, in the order given; what is not stored is left out. */
export async function prepareForServer(deps: Deps, conn: Conn, eventNids: readonly number[]): Promise<string[]> {
  await deps.erased.refresh(conn)
  const rows = new Map((await listEvents(conn, eventNids)).map((row) => [row.event_nid, row]))
  const roomsByNid = new Map<number, Room>()
  const texts: string[] = []
  for (const nid of eventNids) {
    const row = rows.get(nid)
    if (row === undefined) continue
    const room = roomsByNid.get(row.room_nid) ?? (await roomOf(deps, conn, row.room_nid))
    if (room === undefined) continue
    roomsByNid.set(row.room_nid, room)
    texts.push(await textForServers(deps, conn, room, row))
  }
  return texts
}

/**
 * Events of one room that another server asked for, in the order of `rows`: pruned for the erased; what the server may
 * not see by history visibility is given pruned, so that its graph stays whole. Rejected events are left out.
 */
export async function readForServer(
  deps: Deps,
  conn: Conn,
  server: ServerName,
  room: Room,
  rows: readonly EventRow[],
): Promise<string[]> {
  await deps.erased.refresh(conn)
  const standing = await ServerStanding.of(deps, conn, room, {
    kind: 'server',
    server,
    serverNid: (await findServerNid(conn, server)) ?? 0,
  })
  const texts: string[] = []
  for (const row of rows) {
    if (row.rejected !== null) continue
    // State is what every server of the room needs to judge events by.
    const isSeen = row.state_key_nid !== null || (await standing.maySee(row))
    texts.push(isSeen ? await textForServers(deps, conn, room, row) : pruneEvent(eventOfRow(room, row)).text)
  }
  return texts
}

/** State and auth chains: every event of them is needed, so only erasure prunes. */
export async function readStateForServer(
  deps: Deps,
  conn: Conn,
  room: Room,
  eventNids: readonly number[],
): Promise<string[]> {
  await deps.erased.refresh(conn)
  const texts: string[] = []
  for (const row of await listEvents(conn, eventNids))
    if (row.room_nid === room.nid) texts.push(await textForServers(deps, conn, room, row))
  return texts
}

async function roomOf(deps: Deps, conn: Conn, roomNid: number): Promise<Room | undefined> {
  const row = await findRoom(conn, roomNid)
  return row === undefined || findRoomVersion(row.version) === undefined
    ? undefined
    : deps.roomCache.find(conn, row.room_id as RoomId)
}
