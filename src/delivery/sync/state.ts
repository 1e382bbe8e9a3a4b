import type { UserId } from '../../protocol/ids.ts'
import { eventAt, loadChain } from '../../rooms/layers.ts'
import { readEvents } from '../../rooms/read-events.ts'
import type { Room } from '../../rooms/room.ts'
import type { UserStanding } from '../../rooms/standing.ts'
import { stateGroupMap } from '../../rooms/state.ts'
import { matchesFilter } from '../../rooms/timeline.ts'
import type { ReadRow } from '../../store/read-rows.ts'
import { findStateGroupAt } from '../../store/sync.ts'
import type { SyncContext } from './context.ts'
import { stateDiff, stateEventAt } from './state-diff.ts'
import { groupAfter } from './timeline.ts'
import type { Timeline } from './timeline.ts'

/** Which state of a room is wanted. */
export interface StateWish {
  /** all of it, and not only what changed since the reader's token */
  readonly isFull: boolean
  readonly timeline: Timeline
  /** the state group at the end of the timeline */
  readonly end: number
  /** members whose events go with lazy loading though they sent nothing: the reader, heroes */
  readonly alsoMembers: readonly UserId[]
}

/**
 * The state events of a room in an answer, as row ids: what leads from the state that the reader knows to the one at the
 * start of the timeline, or at its end where that is asked for. Where forks of the graph made something current that no
 * event of the timeline tells, that comes here too.
 */
export async function stateNids(context: SyncContext, room: Room, wish: StateWish): Promise<number[]> {
  const { deps, conn, request } = context
  const { timeline, end, isFull } = wish
  const isAtEnd = request.stateAfterKey !== undefined
  const start = isAtEnd ? end : (timeline.rows[0]?.state_before ?? end)
  const inTimeline = new Set(isAtEnd ? [] : timeline.rows.map((row) => row.event_nid))
  const { lazyLoadMembers: isLazy } = request.filter.room.state

  const found = isFull ? await wholeState(context, start, isLazy) : await changedState(context, room, timeline, start)
  // the client takes the rest from the timeline
  for (const [keyNid, eventNid] of await stateDiff(deps, conn, start, end)) {
    if (eventNid === undefined || inTimeline.has(eventNid)) continue
    if (isFull || found.known === undefined || (await stateEventAt(deps, conn, found.known, keyNid)) !== eventNid)
      found.state.set(keyNid, eventNid)
  }
  if (isLazy) await addMembers(context, room, wish, start, found.state)
  return [...found.state.values()].filter((nid) => !inTimeline.has(nid))
}

/** These events, serialised, as far as the filter lets them through; `stored`: their rows. */
export async function stateTexts(
  context: SyncContext,
  room: Room,
  standing: UserStanding,
  nids: readonly number[],
  stored: ReadonlyMap<number, ReadRow>,
): Promise<string[]> {
  if (nids.length === 0) return []
  const filter = context.request.filter.room.state
  const rows: ReadRow[] = []
  for (const nid of nids.toSorted((a, b) => a - b)) {
    const row = stored.get(nid)
    if (row !== undefined && matchesFilter(room, row, filter)) rows.push(row)
  }
  const options = { ...context.reading, standing, withoutVisibility: true, withoutBundles: true, withoutHistory: true }
  return (await readEvents(context.deps, context.conn, context.viewer, room, rows, options)).map(({ text }) => text)
}

interface Found {
  /** event by place */
  readonly state: Map<number, number>
  /** the group that the reader knows */
  readonly known: number | undefined
}

async function wholeState({ deps, conn }: SyncContext, group: number, isLazy: boolean): Promise<Found> {
  const map = isLazy ? await deps.stateParts.withoutMembers(conn, group) : await stateGroupMap(deps, conn, group)
  return { state: new Map(map), known: undefined }
}

async function changedState(context: SyncContext, room: Room, timeline: Timeline, start: number): Promise<Found> {
  const { deps, conn, behind } = context
  let known = timeline.knownGroup
  if (known === undefined) {
    const below = timeline.newest?.ord ?? timeline.prevOrd
    known = (await findStateGroupAt(conn, room.nid, below, behind))?.group ?? 0
  }
  const state = new Map<number, number>()
  for (const [keyNid, eventNid] of await stateDiff(deps, conn, known, start))
    if (eventNid !== undefined) state.set(keyNid, eventNid)
  return { state, known }
}

/**
 * With lazy loading: the members who sent what the reader gets, unless the device has them already (client-server API,
 * "Lazy-loading room members"). Changes of members in a gap are in `state` by now and stay.
 */
async function addMembers(
  context: SyncContext,
  room: Room,
  wish: StateWish,
  group: number,
  state: Map<number, number>,
): Promise<void> {
  const { deps, conn, request } = context
  const { rows } = wish.timeline
  const sent = context.sent.of(room.nid)
  const mayRepeat = wish.isFull || request.filter.room.state.includeRedundantMembers
  const keys = new Set(
    (
      await deps.stateParts.memberKeys(
        conn,
        rows.map((row) => row.sender_nid),
      )
    ).values(),
  )
  for (const stateKey of wish.alsoMembers) {
    const keyNid = await deps.roomCache.stateKeyNid(conn, { type: 'm.room.member', stateKey })
    if (keyNid !== undefined) keys.add(keyNid)
  }
  const chain = await loadChain(deps.roomCache.caches, conn, group)
  for (const keyNid of keys) {
    const eventNid = state.get(keyNid) ?? eventAt(chain, keyNid)
    if (eventNid !== undefined && (mayRepeat || sent.get(keyNid) !== eventNid)) state.set(keyNid, eventNid)
  }
  const members = await deps.stateParts.membersAmong(conn, state.keys())
  for (const keyNid of members) sent.set(keyNid, state.get(keyNid) as number)
  for (const row of rows)
    if (row.type === 'm.room.member' && row.state_key_nid !== null) sent.set(row.state_key_nid, row.event_nid)
}

/** The state group at the end of a timeline: of a room without any event in it the current one. */
export function endGroup(room: Room, timeline: Timeline): number {
  return timeline.newest === undefined ? (timeline.knownGroup ?? room.currentGroup) : groupAfter(timeline.newest)
}
