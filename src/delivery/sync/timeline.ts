import type { RoomEventFilter } from '../../protocol/filter.ts'
import { limitOf, matchesRoom } from '../../protocol/filter-match.ts'
import { isIgnored } from '../../rooms/ignored.ts'
import type { Room } from '../../rooms/room.ts'
import type { UserStanding } from '../../rooms/standing.ts'
import { matchesFilter } from '../../rooms/timeline.ts'
import type { ReadRow } from '../../store/read-rows.ts'
import { listRelatedParents } from '../../store/sync.ts'
import { listTimelineBack } from '../../store/read-rows.ts'
import type { SyncContext } from './context.ts'
import { isNews } from './token.ts'

/** The newest events of a room, as far as a reader gets them. */
export interface Timeline {
  /** oldest first */
  readonly rows: readonly ReadRow[]
  readonly isLimited: boolean
  /** what comes before is reached from here */
  readonly prevOrd: number
  /** the newest row looked at, shown or not: the end of the timeline */
  readonly newest: ReadRow | undefined
  /** state group after the newest event that the reader knows, where it was met on the way back */
  readonly knownGroup: number | undefined
}

const normalLimit = 10
const mostLimit = 100
/** How many rows are looked through for events that the reader may see and the filter lets through. */
const mostRows = 1_000

/** The state of the room after an event: what the graph's forks resolved to, or the event's own. */
export function groupAfter(row: Pick<ReadRow, 'state_after' | 'current_after'>): number {
  return row.current_after ?? row.state_after ?? 0
}

/** Which events of a room are looked at. */
export interface TimelineWish {
  readonly top: number
  /** as if the reader knew nothing */
  readonly isWhole: boolean
  /** the newest `firstLook` rows from `top` down, where they were read together with those of other rooms */
  readonly first?: readonly ReadRow[] | undefined
}

/** At how many rows the first look is of a reader who knows nothing. */
export function firstLook(filter: RoomEventFilter): number {
  return limitOf(filter, normalLimit, mostLimit) + 1
}

/**
 * The newest events of a room from `top` down: to the first that the reader knows (`isWhole`: as if they knew none), to a
 * gap in the history, or as many as the filter wants. (client-server API, "Syncing")
 */
export async function collectTimeline(
  context: SyncContext,
  room: Room,
  standing: UserStanding,
  { top, isWhole, first }: TimelineWish,
): Promise<Timeline> {
  const filter = context.request.filter.room.timeline
  const limit = limitOf(filter, normalLimit, mostLimit)
  const since = isWhole ? undefined : context.since
  const kept: ReadRow[] = []
  let newest: ReadRow | undefined
  let lastOrd: number | undefined
  let isLimited = false
  let knownGroup: number | undefined
  const isWanted = matchesRoom(filter, room.id) ? wanted(context, room, filter) : undefined

  let most = since === undefined ? firstLook(filter) : 2
  let known = since === undefined ? first : undefined
  let at = top
  reading: for (let seen = 0; seen < mostRows; most = Math.min(most * 5, 100)) {
    const rows = known ?? (await timelineBack(context, room.nid, at, most))
    known = undefined
    const related = await relatedAmong(context, room, filter, rows)
    for (const row of rows) {
      const ord = row.ord as number
      if (since !== undefined && !isNews(since, row)) {
        knownGroup = groupAfter(row)
        break reading
      }
      // what is missing or was fetched later is history: it is reached by /messages
      if ((lastOrd !== undefined && isGap(lastOrd, ord)) || (since !== undefined && row.backfilled)) {
        isLimited = true
        break reading
      }
      newest ??= row
      lastOrd = ord
      if (isWanted === undefined || (related !== undefined && !related.has(row.event_id)) || !isWanted(row)) continue
      if (!(standing.isSeenLikeOthers(row) ?? (await standing.maySee(row)))) continue
      if (kept.length === limit) {
        isLimited = true
        break reading
      }
      kept.push(row)
    }
    seen += rows.length
    if (rows.length < most) break
    if (seen >= mostRows) isLimited = true
    at = (rows.at(-1)?.ord as number) - 1
  }
  const oldest = kept.at(-1)
  const prevOrd = oldest?.ord == null ? top : oldest.ord - 1
  return { rows: kept.reverse(), isLimited, prevOrd, newest, knownGroup }
}

function timelineBack({ moment }: SyncContext, roomNid: number, at: number, most: number): Promise<readonly ReadRow[]> {
  return moment.timelines.of(`${roomNid} ${at} ${most}`, () => listTimelineBack(moment.conn, roomNid, at, most))
}

/** Live events follow each other without a hole; history that was fetched ends where they begin. */
function isGap(above: number, ord: number): boolean {
  return above - ord > 1 && !(above === 1 && ord === -1)
}

function wanted(context: SyncContext, room: Room, filter: RoomEventFilter) {
  return (row: ReadRow): boolean => !isIgnored(context.ignored, row) && matchesFilter(room, row, filter)
}

/** Those of the events that the filter's `related_by_…` let through; undefined where it has none. */
async function relatedAmong(
  { conn }: SyncContext,
  room: Room,
  { relatedByRelTypes: types, relatedBySenders: senders }: RoomEventFilter,
  rows: readonly ReadRow[],
): Promise<Set<string> | undefined> {
  if (types === undefined && senders === undefined) return undefined
  const ids = rows.map((row) => row.event_id)
  return listRelatedParents(conn, room.nid, ids, { types, senders })
}
