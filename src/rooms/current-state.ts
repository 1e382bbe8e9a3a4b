import type { RoomEvent } from '../protocol/event.ts'
import { pruneEvent } from '../protocol/redact.ts'
import { putCurrentState } from '../store/current-state.ts'
import type { Tx } from '../store/database.ts'
import { withdrawMediaOfEvent } from '../store/erasure-media.ts'
import { pruneEventRow } from '../store/events.ts'
import type { RoomsDeps } from './deps.ts'
import { noteDeleted } from './erasure-of.ts'
import type { Chain } from './layers.ts'
import { eventAt, stateMapOf } from './layers.ts'
import type { Cause } from './members.ts'
import { applyMemberChanges, memberChanges } from './members.ts'
import { isCoveredByErasure, pruneRule } from './prune-rule.ts'
import { differences, putResolvedGroup } from './resolve.ts'
import type { Extremity, Room } from './room.ts'
import type { StateChange } from './state-change.ts'
import { describeChanges } from './state-change.ts'
import { applySummaryChanges } from './summary.ts'

type Deps = Pick<RoomsDeps, 'roomCache' | 'serverName' | 'clock' | 'erased' | 'guestsClosed'>

/** The event that moved the extremities, and what it made of the state. */
export interface Moved {
  readonly extremities: readonly Extremity[]
  readonly event: RoomEvent
  readonly eventNid: number
  readonly keyNid: number | null
  readonly before: Chain
  readonly after: Chain
  readonly cause: Cause
}

/** What of a room follows from its current state. */
export type CurrentState = Pick<Room, 'currentGroup' | 'chain' | 'memo' | 'hosts'>

/** Brings the current state in line with new extremities: what they resolve to, and all that lists and members show of it. */
export async function applyCurrentState(
  tx: Tx,
  deps: Deps,
  room: Room,
  moved: Moved,
): Promise<{ readonly changes: CurrentState; readonly userNids: readonly number[] }> {
  const same = { changes: pick(room), userNids: [] }
  if (moved.extremities === room.extremities) return same
  const [only] = moved.extremities
  const isOnly = moved.extremities.length === 1 && only?.eventNid === moved.eventNid
  const chain = isOnly
    ? moved.after
    : await putResolvedGroup(
        deps,
        tx,
        room,
        moved.extremities.map(({ stateAfter }) => stateAfter),
      )
  const group = chain[0]?.groupNid ?? 0
  if (group === room.currentGroup) return same
  const isStep = isOnly && moved.keyNid !== null && (moved.before[0]?.groupNid ?? 0) === room.currentGroup
  const changes = isStep
    ? [await stepOf(tx, deps, room, moved)]
    : await describeChanges(
        deps,
        tx,
        room,
        await differencesOf(tx, deps, room.currentGroup, group),
        new Map([[moved.eventNid, moved.event]]),
      )
  return replaceCurrentState(tx, deps, room, chain, changes, moved.cause)
}

/** The one change that a state event on top of the current state makes. */
async function stepOf(tx: Tx, deps: Deps, room: Room, { event, eventNid, keyNid }: Moved): Promise<StateChange> {
  const { type, stateKey = '' } = event
  const beforeNid = eventAt(room.chain, keyNid as number)
  const before = beforeNid === undefined ? undefined : await deps.roomCache.stateEvent(tx, room, type, stateKey)
  return { keyNid: keyNid as number, type, stateKey, before, beforeNid, after: event, afterNid: eventNid }
}

function pick({ currentGroup, chain, memo, hosts }: Room): CurrentState {
  return { currentGroup, chain, memo, hosts }
}

async function differencesOf(tx: Tx, deps: Deps, from: number, to: number): Promise<Map<number, number>> {
  const { caches } = deps.roomCache
  return differences(await stateMapOf(caches, tx, from), await stateMapOf(caches, tx, to))
}

/** Writes changes of the current state wherever it is shown. */
export async function replaceCurrentState(
  tx: Tx,
  deps: Deps,
  room: Room,
  chain: Chain,
  changes: readonly StateChange[],
  cause: Cause,
): Promise<{ readonly changes: CurrentState; readonly userNids: readonly number[] }> {
  await putCurrentState(tx, room.nid, new Map(changes.map(({ keyNid, afterNid }) => [keyNid, afterNid ?? 0])))
  const members = memberChanges(changes)
  const { userNids, hosts } = await applyMemberChanges(tx, deps, room, members, cause)
  await applySummaryChanges(tx, room.nid, changes, members)
  for (const change of changes) await pruneSuperseded(tx, deps, change)
  if (changes.some(closesToGuests)) tx.afterCommit(() => deps.guestsClosed?.(room.id))
  const memo = room.memo.with(changes.map(({ type, stateKey, after }) => [type, stateKey, after] as const))
  return { changes: { currentGroup: chain[0]?.groupNid ?? 0, chain, memo, hosts }, userNids }
}

function closesToGuests({ type, stateKey, before, after }: StateChange): boolean {
  const isOpen = (event: RoomEvent | undefined) => event?.content.guest_access === 'can_join'
  return type === 'm.room.guest_access' && stateKey === '' && isOpen(before) && !isOpen(after)
}

/** What an erased person said of the room is kept only while nothing newer says it. */
async function pruneSuperseded(tx: Tx, deps: Deps, { before, beforeNid }: StateChange): Promise<void> {
  if (before === undefined || beforeNid === undefined) return
  const senderNid = await deps.roomCache.userNid(tx, before.sender)
  const mark = senderNid === undefined ? undefined : deps.erased.of(senderNid)
  if (!isCoveredByErasure(mark, before.originServerTs, 'stored') || pruneRule(before, false).stored === 'keep') return
  const pruned = pruneEvent(before)
  if (pruned.text === before.text) return
  const now = deps.clock.now()
  await pruneEventRow(tx, beforeNid, pruned.text, now)
  await noteDeleted(tx, now)
  if (before.type === 'm.room.avatar') await withdrawMediaOfEvent(tx, beforeNid, now)
  tx.onCommit(() => deps.roomCache.caches.forgetEvent(beforeNid))
}
