import { matchesRoom } from '../../protocol/filter-match.ts'
import type { RoomId } from '../../protocol/ids.ts'
import type { ReadDeps, ReadOptions } from '../../rooms/read-options.ts'
import type { Room } from '../../rooms/room.ts'
import type { Conn } from '../../store/database.ts'
import { listChangedSyncRooms, listSyncRooms, readVector } from '../../store/sync.ts'
import type { SyncRoomRow } from '../../store/sync.ts'
import { nextTurn } from '../../util/next-turn.ts'
import type { DeliveryDeps } from '../deps.ts'
import { listUnread } from '../unread.ts'
import type { RoomUnread } from '../unread.ts'
import type { AccountData } from './account-data.ts'
import { readAccountData } from './account-data.ts'
import type { SyncContext, SyncRequest } from './context.ts'
import { strippedRoom } from './invited.ts'
import { joinedRoom } from './joined.ts'
import { leftRoom } from './left.ts'
import { behind, distance, formatSyncToken, isAhead } from './token.ts'
import type { SyncToken } from './token.ts'

/** An answer to `/sync`. */
export interface SyncAnswer {
  readonly body: object
  readonly isEmpty: boolean
  /** up to where it goes */
  readonly now: SyncToken
}

/** A reader who is less far behind is served by what moved, one who is further by a look at all of their rooms. */
const nearPositions = 2_000
/** So many rooms are read before others have their turn. */
const roomsPerTurn = 10

/** Reads an answer, of one moment of the database. */
export function readAnswer(deps: DeliveryDeps & ReadDeps, request: SyncRequest): Promise<SyncAnswer> {
  const isWhole = request.since === undefined || request.fullState
  const turns = isWhole ? deps.syncTurns.whole : deps.syncTurns.news
  return turns.run(() => deps.database.snapshot((conn) => read(deps, request, conn)))
}

async function read(deps: DeliveryDeps & ReadDeps, request: SyncRequest, conn: Conn): Promise<SyncAnswer> {
  const now: SyncToken = { vector: await readVector(conn), typing: deps.typing.serial }
  await deps.erased.refresh(conn)
  const context = await makeContext(deps, conn, request, now)
  const data = await readAccountData(context)
  const rooms = await readRooms(context, now, data)
  const isEmpty = rooms === undefined && data.global.length === 0
  const next = formatSyncToken(deps.tokenEpoch, now)
  context.sent.next = next
  return {
    isEmpty,
    now,
    body: {
      next_batch: next,
      ...(data.global.length > 0 ? { account_data: { events: data.global } } : {}),
      ...(rooms === undefined ? {} : { rooms }),
      presence: { events: [] },
      to_device: { events: [] },
      device_lists: { changed: [], left: [] },
      device_one_time_keys_count: {},
      device_unused_fallback_key_types: [],
    },
  }
}

async function makeContext(
  deps: DeliveryDeps & ReadDeps,
  conn: Conn,
  request: SyncRequest,
  now: SyncToken,
): Promise<SyncContext> {
  const { viewer, filter } = request
  // a database that was set back knows nothing of what came after
  const since = request.since === undefined || isAhead(request.since.vector, now.vector) ? undefined : request.since
  const ignored = await deps.ignoredUsers.of(conn, viewer.userNid)
  const reading: ReadOptions = { roomId: false, eventFields: filter.eventFields, format: filter.eventFormat, ignored }
  return {
    deps,
    conn,
    request,
    viewer,
    since: since?.vector,
    behind: since === undefined ? [] : behind(since.vector, now.vector),
    typingSince: since?.typing,
    ignored,
    sent: deps.sentMembers.of(viewer.userNid, viewer.deviceId, since === undefined ? undefined : request.sinceText),
    reading,
  }
}

type Sections = Record<'join' | 'invite' | 'knock' | 'leave', Record<string, object>>

async function readRooms(
  context: SyncContext,
  now: SyncToken,
  data: AccountData,
): Promise<Partial<Sections> | undefined> {
  const sections: Sections = { join: {}, invite: {}, knock: {}, leave: {} }
  const rows = (await candidates(context, now)).filter((row) => matchesRoom(context.request.filter.room, row.room_id))
  const joined = rows.filter(({ membership }) => membership === 'join')
  let counts: Promise<Map<number, RoomUnread>> | undefined
  const unread = async (nid: number) => (await (counts ??= countAll(context, joined))).get(nid)
  for (const [index, row] of rows.entries()) {
    if (index % roomsPerTurn === roomsPerTurn - 1) await nextTurn()
    const room = await context.deps.roomCache.find(context.conn, row.room_id as RoomId)
    if (room !== undefined) await addRoom(context, sections, row, room, data, () => unread(row.room_nid))
  }
  const filled = Object.entries(sections).filter(([, section]) => Object.keys(section).length > 0)
  return filled.length === 0 ? undefined : (Object.fromEntries(filled) as Partial<Sections>)
}

async function addRoom(
  context: SyncContext,
  sections: Sections,
  row: SyncRoomRow,
  room: Room,
  data: AccountData,
  unread: () => Promise<RoomUnread | undefined>,
): Promise<void> {
  switch (row.membership) {
    case 'join': {
      const section = await joinedRoom(context, row, room, data, unread)
      if (section !== undefined) sections.join[row.room_id] = section
      return
    }
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
async function candidates(context: SyncContext, now: SyncToken): Promise<SyncRoomRow[]> {
  const { deps, conn, viewer, request, since, typingSince } = context
  if (since === undefined || request.fullState) {
    const { includeLeave } = request.filter.room
    const rows = await listSyncRooms(conn, viewer.userNid)
    const isLeft = ({ membership }: SyncRoomRow) => membership === 'leave' || membership === 'ban'
    return rows.filter((row) => !isLeft(row) || (includeLeave && !row.forgotten && row.event_nid !== 0))
  }
  const typing = typingSince === undefined ? [] : deps.typing.changedSince(typingSince)
  if (context.behind.length === 0 && typing.length === 0) return []
  return listChangedSyncRooms(conn, viewer.userNid, {
    behind: context.behind,
    typing,
    isNear: distance(since, now.vector) <= nearPositions,
  })
}

function countAll(
  { deps, conn, viewer, ignored }: SyncContext,
  rows: readonly SyncRoomRow[],
): Promise<Map<number, RoomUnread>> {
  const rooms = rows.map((row) => ({
    nid: row.room_nid,
    id: row.room_id as RoomId,
    lastOrd: row.last_ord,
    memberCount: row.joined_count,
    isEncrypted: row.encryption !== null,
    memberOrd: row.ord,
  }))
  return listUnread(deps, conn, viewer, rooms, ignored)
}
