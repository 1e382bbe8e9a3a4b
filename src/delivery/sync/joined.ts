import { formatRoomToken } from '../../rooms/room-token.ts'
import { readEvents } from '../../rooms/read-events.ts'
import type { Room } from '../../rooms/room.ts'
import { UserStanding } from '../../rooms/standing.ts'
import type { ReadRow } from '../../store/read-rows.ts'
import type { SyncRoomRow } from '../../store/sync.ts'
import { listMembershipHistory } from '../../store/timeline.ts'
import { RawJson, stringify } from '../../util/raw-json.ts'
import { sumUnread } from '../unread.ts'
import type { RoomUnread, Unread } from '../unread.ts'
import type { AccountData } from './account-data.ts'
import { roomAccountData } from './account-data.ts'
import { offerShared } from './alike.ts'
import type { SyncContext } from './context.ts'
import type { JoinedRoom } from './joined-room.ts'
import { withCounts } from './shared-sections.ts'
import { ephemeralEvents } from './ephemeral.ts'
import { endGroup, stateNids, stateTexts } from './state.ts'
import { heroesOf, summaryOf } from './summary.ts'
import { collectTimeline } from './timeline.ts'
import type { Timeline } from './timeline.ts'
import { isNews } from './token.ts'

/** Finds what of a joined room is to be shown. `first`: see `TimelineWish`. */
export async function findJoined(
  context: SyncContext,
  row: SyncRoomRow,
  room: Room,
  first: readonly ReadRow[] | undefined,
): Promise<JoinedRoom> {
  const { deps, conn, viewer, request, since } = context
  const isWhole = since === undefined || (isNews(since, row) && !(await wasJoined(context, room)))
  const isFull = isWhole || request.fullState
  const standing = await UserStanding.ofMembership(deps, conn, room, viewer, row)
  const timeline = await collectTimeline(context, room, standing, { top: row.last_ord, isWhole, first })
  const hasMoved = timeline.newest !== undefined
  const showsSummary = isFull || (hasMoved && (timeline.isLimited || timeline.rows.some(changesSummary)))
  const heroes = showsSummary ? heroesOf(row, viewer.userId) : undefined
  const nids =
    isFull || hasMoved
      ? await stateNids(context, room, {
          isFull,
          timeline,
          end: endGroup(room, timeline),
          alsoMembers: [...(isFull ? [viewer.userId] : []), ...(heroes ?? [])],
        })
      : []
  return { row, room, isWhole, isFull, standing, timeline, showsSummary, heroes, stateNids: nids }
}

/** A joined room in an answer; undefined where there is nothing that the reader does not know. `stored`: rows of its state. */
export async function showJoined(
  context: SyncContext,
  each: JoinedRoom,
  stored: ReadonlyMap<number, ReadRow>,
  data: AccountData,
  unread: () => Promise<RoomUnread | undefined>,
): Promise<RawJson | undefined> {
  const { request, since, news } = context
  const { row, room, isWhole, isFull, standing, timeline, showsSummary, heroes, stateNids: nids } = each
  const state = await stateTexts(context, room, standing, nids, stored)
  const events = await timelineTexts(context, room, standing, timeline)
  const ephemeral = await ephemeralEvents(context, room, {
    isWhole,
    hasReceipts: row.has_receipts || (isWhole && since !== undefined),
  })
  const accountData = await roomAccountData(context, data, room, isWhole)
  const isEmpty = events.length === 0 && state.length === 0 && ephemeral.length === 0 && accountData.length === 0
  if (isEmpty && !isFull && !timeline.isLimited) return undefined
  const parts = {
    ...(showsSummary ? { summary: summaryOf(row, heroes) } : {}),
    [request.stateAfterKey ?? 'state']: eventList(state),
    timeline: timelineOf(events, timeline),
    ephemeral: eventList(ephemeral.map(stringify)),
    account_data: eventList(accountData.map(stringify)),
  }
  const counts = unreadOf(await unread(), request.filter.room.timeline.unreadThreadNotifications)
  // written at once: an object, and the pieces of its text, would be kept until all other rooms are read
  if (news === undefined) return RawJson.of({ ...parts, ...counts })
  const head = stringify(parts)
  const shared = await offerShared(context, each, data, head)
  return shared === undefined ? RawJson.joining(head, stringify(counts)) : withCounts(shared, stringify(counts))
}

/** The unread counts of a room in an answer: an object whose members are the room's. */
export function countsText({ request }: SyncContext, unread: RoomUnread | undefined): string {
  return stringify(unreadOf(unread, request.filter.room.timeline.unreadThreadNotifications))
}

/** Was the reader in the room at the token? */
async function wasJoined({ deps, conn, viewer, since }: SyncContext, room: Room): Promise<boolean> {
  const keyNid = await deps.roomCache.stateKeyNid(conn, { type: 'm.room.member', stateKey: viewer.userId })
  if (keyNid === undefined || since === undefined) return false
  const known = (await listMembershipHistory(conn, room.nid, keyNid)).find((row) => !isNews(since, row))
  if (known === undefined) return false
  return (JSON.parse(known.json) as { content: { membership?: unknown } }).content.membership === 'join'
}

const summaryTypes = new Set(['m.room.member', 'm.room.name', 'm.room.canonical_alias', 'm.room.create'])

function changesSummary({
  type,
  state_key_nid,
}: {
  readonly type: string
  readonly state_key_nid: number | null
}): boolean {
  return state_key_nid !== null && summaryTypes.has(type)
}

/** The events of a timeline, serialised; they have been found visible. */
export async function timelineTexts(
  context: SyncContext,
  room: Room,
  standing: UserStanding,
  { rows }: Timeline,
): Promise<string[]> {
  if (rows.length === 0) return []
  const options = { ...context.reading, standing, withoutVisibility: true }
  return (await readEvents(context.deps, context.conn, context.viewer, room, rows, options)).map(({ text }) => text)
}

/** A list of events in an answer: `state`, `ephemeral`, `account_data` of a room. */
export function eventList(texts: readonly string[]): RawJson {
  return texts.length === 0 ? noEvents : new RawJson(`{"events":${RawJson.listOf(texts).text}}`)
}

const noEvents = new RawJson('{"events":[]}')

/** `timeline` of a room in an answer. */
export function timelineOf(texts: readonly string[], { isLimited, prevOrd }: Timeline): RawJson {
  const prevBatch = JSON.stringify(formatRoomToken(prevOrd))
  return new RawJson(`{"events":${RawJson.listOf(texts).text},"limited":${isLimited},"prev_batch":${prevBatch}}`)
}

const none: Unread = { notifications: 0, highlights: 0 }

function unreadOf(unread: RoomUnread | undefined, isThreaded: boolean): object {
  if (!isThreaded) return { unread_notifications: countsOf(unread === undefined ? none : sumUnread(unread)) }
  const threads = [...(unread ?? [])]
    .filter(([thread]) => thread !== 'main')
    .map(([thread, each]) => [thread, countsOf(each)])
  return {
    unread_notifications: countsOf(unread?.get('main') ?? none),
    ...(threads.length > 0 ? { unread_thread_notifications: Object.fromEntries(threads) as object } : {}),
  }
}

function countsOf({ notifications, highlights }: Unread): RawJson {
  return new RawJson(`{"notification_count":${notifications},"highlight_count":${highlights}}`)
}
