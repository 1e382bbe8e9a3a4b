import type { ReadDeps } from '../../rooms/read-options.ts'
import type { RoomId } from '../../protocol/ids.ts'
import { listChangedSyncRoomsOfMany, listSyncAccountDataOfMany } from '../../store/sync.ts'
import type { Behind, SyncDataRow, SyncRoomRow } from '../../store/sync.ts'
import type { DeliveryDeps } from '../deps.ts'
import type { CountedRoom } from '../unread.ts'
import { readUnreadTogether } from '../unread-together.ts'
import type { UnreadReads } from '../unread-reads.ts'
import type { SyncRequest } from './request.ts'
import type { Moment } from './moment.ts'
import { SharedSections } from './shared-sections.ts'
import { behind as behindOf, distance, isAhead } from './token.ts'
import type { SyncToken } from './token.ts'

/** What was read for several readers who stand at the same place: for each the same as if they had been alone. */
export interface News {
  /** the writers that have gone on since they stood there */
  readonly behind: Behind
  /** account data that the reader does not know */
  dataOf(userNid: number): readonly SyncDataRow[]
  /** rooms that may have something for the reader */
  roomsOf(userNid: number): SyncRoomRow[]
  readonly unread: UnreadReads
  /** what is the same for many of them */
  readonly shared: SharedSections
}

/** Users times positions that one statement looks at: it keeps the event loop. */
const mostLooks = 20_000

interface Group {
  readonly behind: Behind
  readonly typing: readonly number[]
  readonly looks: number
  readonly requests: SyncRequest[]
}

/**
 * Reads for all of the requests at once which rooms and account data are new to each, and what their unread counts are
 * made of. Requests that nobody shares a place with, that are too far behind, or for which nothing is new have none.
 */
export async function readNews(
  deps: DeliveryDeps & ReadDeps,
  moment: Moment,
  requests: readonly SyncRequest[],
  mostBehind: number,
): Promise<Map<SyncRequest, News>> {
  const made = new Map<SyncRequest, News>()
  for (const group of groupsOf(deps, moment, requests, mostBehind)) {
    const most = Math.max(1, Math.floor(mostLooks / group.looks))
    for (let at = 0; at < group.requests.length; at += most) {
      const some = group.requests.slice(at, at + most)
      if (some.length === 1) continue
      const news = await readFor(moment, group, some)
      for (const request of some) made.set(request, news)
    }
  }
  return made
}

function groupsOf(
  { typing }: DeliveryDeps,
  { now }: Moment,
  requests: readonly SyncRequest[],
  mostBehind: number,
): Iterable<Group> {
  const groups = new Map<string, Group>()
  const byToken = new Map<SyncToken, Group | undefined>()
  const groupOf = (since: SyncToken): Group | undefined => {
    if (isAhead(since.vector, now.vector)) return undefined
    const behind = behindOf(since.vector, now.vector)
    const typingIn = typing.changedSince(since.typing)
    const looks = distance(since.vector, now.vector) + typingIn.length
    if (looks === 0 || looks > mostBehind) return undefined
    const key = JSON.stringify([behind, typingIn])
    let group = groups.get(key)
    if (group === undefined) groups.set(key, (group = { behind, typing: typingIn, looks, requests: [] }))
    return group
  }
  for (const request of requests) {
    const { since } = request
    if (since === undefined) continue
    if (!byToken.has(since)) byToken.set(since, groupOf(since))
    byToken.get(since)?.requests.push(request)
  }
  return groups.values()
}

async function readFor({ conn }: Moment, group: Group, requests: readonly SyncRequest[]): Promise<News> {
  const { behind, typing } = group
  const userNids = [...new Set(requests.map(({ viewer }) => viewer.userNid))]
  const data = behind.length === 0 ? undefined : await listSyncAccountDataOfMany(conn, userNids, behind)
  const rooms = await listChangedSyncRoomsOfMany(conn, userNids, { behind, typing })
  const joined = [...rooms].flatMap(([userNid, rows]) =>
    rows.filter(({ membership }) => membership === 'join').map((row) => ({ userNid, room: countedRoom(row) })),
  )
  return {
    behind,
    dataOf: (userNid) => data?.get(userNid) ?? [],
    roomsOf: (userNid) => rooms.get(userNid) ?? [],
    unread: await readUnreadTogether(conn, joined),
    shared: new SharedSections(),
  }
}

/** What counting needs of a room of a user. */
export function countedRoom(row: SyncRoomRow): CountedRoom {
  return {
    nid: row.room_nid,
    id: row.room_id as RoomId,
    lastOrd: row.last_ord,
    memberCount: row.joined_count,
    isEncrypted: row.encryption !== null,
    memberOrd: row.ord,
  }
}
