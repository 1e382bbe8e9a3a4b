import type { UserId } from '../../protocol/ids.ts'
import type { Room } from '../../rooms/room.ts'
import { UserStanding } from '../../rooms/standing.ts'
import type { SyncRoomRow } from '../../store/sync.ts'
import { listUsers } from '../../store/users.ts'
import { formatRoomToken } from '../../rooms/room-token.ts'
import type { AccountData } from './account-data.ts'
import { roomAccountData } from './account-data.ts'
import type { SyncContext } from './context.ts'
import { eventList, timelineOf, timelineTexts } from './joined.ts'
import { readRows } from '../../rooms/known-rows.ts'
import { endGroup, stateNids, stateTexts } from './state.ts'
import { collectTimeline, groupAfter } from './timeline.ts'

/** A room that the reader left or was banned from, up to that moment. */
export async function leftRoom(context: SyncContext, row: SyncRoomRow, room: Room, data: AccountData): Promise<object> {
  const { deps, conn, viewer, request, since } = context
  const stateKey = request.stateAfterKey ?? 'state'
  if (row.event_nid === 0 || row.ord === null) return withoutHistory(context, row, stateKey)
  const isWhole = since === undefined
  const standing = await UserStanding.ofMembership(deps, conn, room, viewer, row)
  const collected = await collectTimeline(context, room, standing, { top: row.ord, isWhole })
  // of a room that was forgotten only that it was left
  const timeline = row.forgotten
    ? { ...collected, rows: collected.rows.filter(({ event_nid }) => event_nid === row.event_nid), isLimited: true }
    : collected
  const end = timeline.newest === undefined ? endGroup(room, timeline) : groupAfter(timeline.newest)
  const wish = { isFull: isWhole || request.fullState, timeline, end, alsoMembers: [viewer.userId] }
  const nids = row.forgotten ? [] : await stateNids(context, room, wish)
  const state = await stateTexts(context, room, standing, nids, await readRows(deps, conn, nids))
  return {
    [stateKey]: eventList(state),
    timeline: timelineOf(await timelineTexts(context, room, standing, timeline), timeline),
    account_data: { events: await roomAccountData(context, data, room, isWhole) },
  }
}

/**
 * An invite that was declined, or a knock that ended, in a room that this server is not in: it has no event to show.
 * NOTSPEC: one is made up for the client, which would show the invite for ever.
 */
async function withoutHistory(
  { conn, viewer, deps }: SyncContext,
  row: SyncRoomRow,
  stateKey: string,
): Promise<object> {
  const sender: UserId = (await listUsers(conn, [row.sender_nid])).get(row.sender_nid)?.userId ?? viewer.userId
  const event = {
    type: 'm.room.member',
    state_key: viewer.userId,
    sender,
    content: { membership: row.membership },
    event_id: `$left-${row.writer}-${row.pos}:${deps.serverName}`,
    origin_server_ts: deps.clock.now(),
    unsigned: {},
  }
  return {
    [stateKey]: { events: stateKey === 'state' ? [] : [event] },
    timeline: { events: [event], limited: false, prev_batch: formatRoomToken(0) },
    account_data: { events: [] },
  }
}
