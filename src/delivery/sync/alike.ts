import { eventAt, loadChain } from '../../rooms/layers.ts'
import type { Chain } from '../../rooms/layers.ts'
import type { Room } from '../../rooms/room.ts'
import type { SyncRoomRow } from '../../store/sync.ts'
import type { AccountData } from './account-data.ts'
import type { SyncContext } from './context.ts'
import type { JoinedRoom } from './joined-room.ts'
import type { SharedSection } from './shared-sections.ts'
import { endGroup } from './state.ts'
import { isNews } from './token.ts'

/** The section of a room that was made for a reader who is like this one; undefined where there is none. */
export async function findShared(
  context: SyncContext,
  row: SyncRoomRow,
  data: AccountData,
): Promise<SharedSection | undefined> {
  const { news, request } = context
  if (news === undefined || !isPlain(context, row, data)) return undefined
  return news.shared.find(request.filter, keyOf(context, row.room_nid), (section) => isLike(context, row, section))
}

/** Keeps what was made for a reader, if it is the same for all who are like them. `head`: without the unread counts. */
export async function offerShared(
  context: SyncContext,
  each: JoinedRoom,
  data: AccountData,
  head: string,
): Promise<SharedSection | undefined> {
  const { row, room, isFull, showsSummary, timeline, stateNids: nids } = each
  const { deps, conn, news, request } = context
  if (news === undefined || isFull || showsSummary || timeline.isLimited || nids.length > 0) return undefined
  if (!isPlain(context, row, data) || !timeline.rows.every(isPlainMessage)) return undefined
  const groups = new Set(timeline.rows.flatMap((shown) => [shown.state_before ?? 0, shown.state_after ?? 0]))
  const chains: Chain[] = []
  for (const group of groups) chains.push(await loadChain(deps.roomCache.caches, conn, group))
  const made: SharedSection = {
    head,
    chains,
    senders: new Set(timeline.rows.map((shown) => shown.sender_nid)),
    members: request.filter.room.state.lazyLoadMembers ? await membersOf(context, each, room) : [],
    erasedVersion: deps.erased.version,
    texts: new Map(),
  }
  if (!(await isLike(context, row, made))) return undefined
  news.shared.keep(request.filter, keyOf(context, room.nid), made)
  return made
}

function keyOf({ request }: SyncContext, roomNid: number): string {
  return `${roomNid} ${request.stateAfterKey ?? ''}`
}

/** Nobody can see more or less of it than others who were joined. */
function isPlainMessage(row: JoinedRoom['timeline']['rows'][number]): boolean {
  const { state_key_nid: keyNid, redacted_by: redactedBy, has_children: hasChildren, state_before: before } = row
  return keyNid === null && redactedBy === null && row.pruned_ts === null && hasChildren === false && before !== null
}

/** Nothing of the reader matters to the room's section but where they were joined. */
function isPlain(
  { deps, request, viewer, ignored, since, typingSince }: SyncContext,
  row: SyncRoomRow,
  data: AccountData,
) {
  return (
    since !== undefined &&
    !request.fullState &&
    viewer.isAlwaysNew !== true &&
    ignored.size === 0 &&
    typingSince !== undefined &&
    typingSince >= deps.typing.startedAt &&
    row.membership === 'join' &&
    row.event_nid !== 0 &&
    !row.has_receipts &&
    !isNews(since, row) &&
    !data.byRoom.has(row.room_nid)
  )
}

async function isLike(context: SyncContext, row: SyncRoomRow, shared: SharedSection): Promise<boolean> {
  const { deps, conn, viewer } = context
  if (shared.erasedVersion !== deps.erased.version || shared.senders.has(viewer.userNid)) return false
  const keyNid = await deps.roomCache.stateKeyNid(conn, { type: 'm.room.member', stateKey: viewer.userId })
  if (keyNid === undefined || shared.chains.some((chain) => eventAt(chain, keyNid) !== row.event_nid)) return false
  if (shared.members.length === 0) return true
  const sent = context.sent.of(row.room_nid)
  return shared.members.every(([memberKeyNid, eventNid]) => sent.get(memberKeyNid) === eventNid)
}

/** The member events that would have gone with the timeline, had the device not had them; see `addMembers`. */
async function membersOf(
  { deps, conn, request }: SyncContext,
  { timeline }: JoinedRoom,
  room: Room,
): Promise<[keyNid: number, eventNid: number][]> {
  const end = endGroup(room, timeline)
  const start = request.stateAfterKey === undefined ? (timeline.rows[0]?.state_before ?? end) : end
  const chain = await loadChain(deps.roomCache.caches, conn, start)
  const senders = timeline.rows.map((row) => row.sender_nid)
  const members: [number, number][] = []
  for (const keyNid of (await deps.stateParts.memberKeys(conn, senders)).values()) {
    const eventNid = eventAt(chain, keyNid)
    if (eventNid !== undefined) members.push([keyNid, eventNid])
  }
  return members
}
