import { matchesRoom } from '../../protocol/filter-match.ts'
import type { RoomId } from '../../protocol/ids.ts'
import type { ReadDeps, ReadOptions } from '../../rooms/read-options.ts'
import type { Room } from '../../rooms/room.ts'
import { listChangedSyncRooms, listSyncRooms } from '../../store/sync.ts'
import type { SyncRoomRow } from '../../store/sync.ts'
import { nextTurn } from '../../util/next-turn.ts'
import type { DeliveryDeps } from '../deps.ts'
import { listUnread } from '../unread.ts'
import type { RoomUnread } from '../unread.ts'
import type { AccountData } from './account-data.ts'
import { readAccountData } from './account-data.ts'
import type { SyncContext } from './context.ts'
import type { SyncAnswer, SyncRequest } from './request.ts'
import { strippedRoom } from './invited.ts'
import { joinedRoom } from './joined.ts'
import { leftRoom } from './left.ts'
import { momentOf } from './moment.ts'
import type { Moment } from './moment.ts'
import type { Asked } from './news-queue.ts'
import { countedRoom, readNews } from './news.ts'
import type { News } from './news.ts'
import { behind, distance, isAhead } from './token.ts'

/** A reader who is less far behind is served by what moved, one who is further by a look at all of their rooms. */
const nearPositions = 2_000
/** So many rooms are read before others have their turn. */
const roomsPerTurn = 10
/** So long several readers are answered before others have their turn. */
const longestTurnMs = 10

/** Reads an answer, of one moment of the database. */
export function readAnswer(deps: DeliveryDeps & ReadDeps, request: SyncRequest): Promise<SyncAnswer> {
  if (request.since !== undefined && !request.fullState)
    return deps.newsQueue.ask(request, (batch) => answerTogether(deps, batch))
  return deps.wholeTurns.run(() =>
    deps.database.snapshot(async (conn) => read(deps, await momentOf(deps, conn), request, undefined)),
  )
}

/** Readers of one moment, each by themselves but for what is the same for all; gives back those it does not come to. */
async function answerTogether(deps: DeliveryDeps & ReadDeps, batch: readonly Asked[]): Promise<readonly Asked[]> {
  return deps.database.snapshot(async (conn) => {
    const moment = await momentOf(deps, conn)
    const requests = batch.map(({ request }) => request)
    const news = await readNews(deps, moment, requests, nearPositions)
    let turnedAt = deps.clock.monotonic()
    for (const [index, { request, resolve, reject }] of batch.entries()) {
      try {
        resolve(await read(deps, moment, request, news.get(request)))
      } catch (error) {
        reject(error)
        // PostgreSQL answers nothing more in this moment
        return batch.slice(index + 1)
      }
      if (deps.clock.monotonic() - turnedAt < longestTurnMs) continue
      await nextTurn()
      turnedAt = deps.clock.monotonic()
    }
    return []
  })
}

async function read(
  deps: DeliveryDeps & ReadDeps,
  moment: Moment,
  request: SyncRequest,
  news: News | undefined,
): Promise<SyncAnswer> {
  const { now, next } = moment
  const context = await makeContext(deps, moment, request, news)
  const data = await readAccountData(context)
  const rooms = await readRooms(context, data)
  const isEmpty = rooms === undefined && data.global.length === 0
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
  moment: Moment,
  request: SyncRequest,
  news: News | undefined,
): Promise<SyncContext> {
  const { viewer, filter } = request
  const { conn, now, shared } = moment
  // a database that was set back knows nothing of what came after
  const since = request.since === undefined || isAhead(request.since.vector, now.vector) ? undefined : request.since
  const ignored = await deps.ignoredUsers.of(conn, viewer.userNid)
  const reading: ReadOptions = {
    roomId: false,
    eventFields: filter.eventFields,
    format: filter.eventFormat,
    ignored,
    shared,
  }
  return {
    deps,
    moment,
    conn,
    news,
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

async function readRooms(context: SyncContext, data: AccountData): Promise<Partial<Sections> | undefined> {
  const rows = (await candidates(context)).filter((row) => matchesRoom(context.request.filter.room, row.room_id))
  if (rows.length === 0) return undefined
  const sections: Sections = { join: {}, invite: {}, knock: {}, leave: {} }
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
