import { matchesRoom } from '../../protocol/filter-match.ts'
import type { RoomId } from '../../protocol/ids.ts'
import { readRows, readTimelines } from '../../rooms/known-rows.ts'
import type { Room } from '../../rooms/room.ts'
import type { ReadRow } from '../../store/read-rows.ts'
import { listChangedSyncRooms, listSyncRooms } from '../../store/sync.ts'
import type { SyncRoomRow } from '../../store/sync.ts'
import { nextTurn } from '../../util/next-turn.ts'
import { listUnread } from '../unread.ts'
import type { RoomUnread } from '../unread.ts'
import type { AccountData } from './account-data.ts'
import { findShared } from './alike.ts'
import type { SyncContext } from './context.ts'
import { strippedRoom } from './invited.ts'
import { countsText, findJoined, showJoined } from './joined.ts'
import type { JoinedRoom } from './joined-room.ts'
import { leftRoom } from './left.ts'
import { countedRoom } from './news.ts'
import { withCounts } from './shared-sections.ts'
import { firstLook } from './timeline.ts'
import { distance } from './token.ts'

/** A reader who is less far behind is served by what moved, one who is further by a look at all of their rooms. */
export const nearPositions = 2_000
/** So many rooms are read together at first, and at most; then as many as fit into a turn of so many ms. */
const [firstRooms, mostRooms, turnMs] = [10, 40, 5]

type AllSections = Record<'join' | 'invite' | 'knock' | 'leave', Record<string, object>>
/** `rooms` of an answer. */
export type Sections = Partial<AllSections>

/** `rooms` of an answer; undefined where there is nothing that the reader does not know. */
export async function readRooms(context: SyncContext, data: AccountData): Promise<Sections | undefined> {
  const rows = (await candidates(context)).filter((row) => matchesRoom(context.request.filter.room, row.room_id))
  const sections: AllSections = { join: {}, invite: {}, knock: {}, leave: {} }
  const { clock } = context.deps
  let count = firstRooms
  for (let at = 0; at < rows.length;) {
    if (at > 0) await nextTurn()
    const from = clock.monotonic()
    await addRooms(context, sections, rows.slice(at, at + count), data)
    at += count
    count = nextCount(context, count, clock.monotonic() - from)
    // also before a long answer is written out
    if (rows.length > firstRooms) await nextTurn()
  }
  const filled = Object.entries(sections).filter(([, section]) => Object.keys(section).length > 0)
  return filled.length === 0 ? undefined : (Object.fromEntries(filled) as Sections)
}

/** How many rooms come next, when so many took so long. On PostgreSQL it is not the event loop that time is spent in. */
function nextCount({ conn }: SyncContext, count: number, tookMs: number): number {
  if (conn.engine === 'postgres' || tookMs < turnMs / 2) return Math.min(mostRooms, count * 2)
  return tookMs > turnMs ? Math.ceil(count / 2) : count
}

async function addRooms(
  context: SyncContext,
  sections: AllSections,
  rows: readonly SyncRoomRow[],
  data: AccountData,
): Promise<void> {
  const { deps, conn } = context
  const isJoined = ({ membership }: SyncRoomRow) => membership === 'join'
  let counts: Promise<Map<number, RoomUnread>> | undefined
  const unreadIn = async (roomNid: number) => (await (counts ??= countAll(context, rows.filter(isJoined)))).get(roomNid)
  const own: SyncRoomRow[] = []
  for (const row of rows) {
    const shared = await findShared(context, row, data)
    if (shared === undefined) own.push(row)
    else sections.join[row.room_id] = withCounts(shared, countsText(context, await unreadIn(row.room_nid)))
  }
  if (own.length === 0) return
  const rooms = new Map<SyncRoomRow, Room>()
  for (const row of own) {
    const room = await deps.roomCache.find(conn, row.room_id as RoomId)
    if (room !== undefined) rooms.set(row, room)
  }
  const timelines = await firstTimelines(context, own.filter(isJoined))
  const found: JoinedRoom[] = []
  for (const [row, room] of rooms)
    if (row.membership === 'join')
      found.push(await findJoined(context, row, room, timelines && (timelines.get(row.room_nid) ?? [])))
    else await addOther(context, sections, row, room, data)
  const stored = await readRows(
    deps,
    conn,
    found.flatMap(({ stateNids }) => stateNids),
  )
  for (const each of found) {
    const { room } = each
    const section = await showJoined(context, each, stored, data, () => unreadIn(room.nid))
    if (section !== undefined) sections.join[room.id] = section
  }
}

/** The newest events of the rooms of a reader who knows nothing. */
async function firstTimelines(
  { deps, conn, since, request }: SyncContext,
  joined: readonly SyncRoomRow[],
): Promise<ReadonlyMap<number, readonly ReadRow[]> | undefined> {
  if (since !== undefined) return undefined
  const tops = joined.map((row) => [row.room_nid, row.last_ord] as const)
  return readTimelines(deps, conn, tops, firstLook(request.filter.room.timeline))
}

async function addOther(
  context: SyncContext,
  sections: AllSections,
  row: SyncRoomRow,
  room: Room,
  data: AccountData,
): Promise<void> {
  switch (row.membership) {
    case 'invite':
      if (!context.ignored.has(row.sender_nid))
        sections.invite[row.room_id] = { invite_state: { events: await strippedRoom(context, row, room) } }
      return
    case 'knock':
      sections.knock[row.room_id] = { knock_state: { events: await strippedRoom(context, row, room) } }
      return
    default:
      sections.leave[row.room_id] = await leftRoom(context, row, room, data)
  }
}

/** The rooms that may have something for the reader. */
async function candidates(context: SyncContext): Promise<SyncRoomRow[]> {
  const { deps, conn, viewer, request, since, typingSince, moment, news } = context
  if (since === undefined || request.fullState) {
    const { includeLeave } = request.filter.room
    const rows = await listSyncRooms(conn, viewer.userNid)
    const isLeft = ({ membership }: SyncRoomRow) => membership === 'leave' || membership === 'ban'
    return rows.filter((row) => !isLeft(row) || (includeLeave && !row.forgotten && row.event_nid !== 0))
  }
  const typing = typingSince === undefined ? [] : deps.typing.changedSince(typingSince)
  if (context.behind.length === 0 && typing.length === 0) return []
  if (news !== undefined) return news.roomsOf(viewer.userNid)
  return listChangedSyncRooms(conn, viewer.userNid, {
    behind: context.behind,
    typing,
    isNear: distance(since, moment.now.vector) <= nearPositions,
  })
}

function countAll(
  { deps, conn, viewer, ignored, news }: SyncContext,
  rows: readonly SyncRoomRow[],
): Promise<Map<number, RoomUnread>> {
  return listUnread(deps, conn, viewer, rows.map(countedRoom), ignored, news?.unread)
}
