import type { RoomEvent } from '../protocol/event.ts'
import type { EventId } from '../protocol/ids.ts'
import { pruneEvent } from '../protocol/redact.ts'
import type { Tx } from '../store/database.ts'
import { Stale } from '../store/errors.ts'
import { insertEventMedia } from '../store/event-media.ts'
import type { KnownEvent } from '../store/events.ts'
import { insertEvent, placeOutlier, pruneEventRow, putCurrentAfter, putStateAfter } from '../store/events.ts'
import { insertBackwardExtremities } from '../store/extremities.ts'
import { packNids } from '../store/packed.ts'
import { insertRelation } from '../store/relations.ts'
import { advanceRoom } from '../store/rooms.ts'
import { touchSummary } from '../store/summaries.ts'
import { putUserReturned } from '../store/users.ts'
import type { Relation } from './content-facts.ts'
import { mediaOf, movesRoomUp, notifiesByDefault, relationOf } from './content-facts.ts'
import { applyCurrentState } from './current-state.ts'
import type { RoomsDeps } from './deps.ts'
import { isSubjectErased, noteDeleted } from './erasure-of.ts'
import { newRow } from './new-row.ts'
import { storable } from './event-numbers.ts'
import { applyForwardExtremities } from './extremities.ts'
import type { Chain } from './layers.ts'
import { putGroup } from './layers.ts'
import type { Arrival } from './prune-rule.ts'
import { isCoveredByErasure, pruneRule, showsReturn } from './prune-rule.ts'
import { applyRedaction, applyWaitingRedactions } from './redaction-application.ts'
import type { Room } from './room.ts'
import { threadOf } from './threads.ts'

/** What `append` uses. */
export type AppendDeps = Pick<
  RoomsDeps,
  'roomCache' | 'serverName' | 'clock' | 'erased' | 'changes' | 'outbound' | 'notify' | 'mediaReleased' | 'guestsClosed'
>

/** An event that has been judged, and the verdict. */
export interface Judged {
  readonly event: RoomEvent
  /** Built here: other servers get it from us. */
  readonly isLocal: boolean
  /** Of another server, or co-signed by one, and ours to pass on to the others: handshakes, invites. */
  readonly isForwarded?: boolean
  readonly senderNid: number
  /** It ends all other extremities: a join by way of another server. Every event of ours does. */
  readonly endsAll?: boolean
  /** Row ids of its auth events. */
  readonly authNids: readonly number[]
  /** The state before it. */
  readonly before: Chain
  /** `live`: part of the room's newest; `old`: history that was fetched. */
  readonly arrival: Exclude<Arrival, 'stored'>
  readonly rejected?: string | undefined
  readonly softFailed?: boolean
  /** The place in the timeline of an event that is history. */
  readonly backOrd?: number
  /** Its row where it is stored already, outside the graph. */
  readonly outlier?: KnownEvent | undefined
  /** Predecessors that are not stored. */
  readonly missing?: readonly EventId[]
  /** State groups and verdicts of the stored predecessors. */
  readonly previous?: ReadonlyMap<EventId, KnownEvent>
}

/** What became of an append. */
export interface AppendResult {
  readonly room: Room
  /** As stored: pruned where its sender is erased. */
  readonly event: RoomEvent
  readonly eventNid: number
}

/** Room for history to be fetched later, between events with a gap between them. */
const gapOrds = 10_000

/**
 * Stores a judged event with everything that follows from it: state groups, extremities, current state, members,
 * summary, servers, relations, files, redactions, counts. The last step of every door. Throws Stale when the room is no
 * longer at the revision given.
 */
export async function append(tx: Tx, deps: AppendDeps, room: Room, judged: Judged): Promise<AppendResult> {
  const { isLocal, senderNid, before, rejected, softFailed = false, outlier, missing = [] } = judged
  const isShown = rejected === undefined && !softFailed
  const isLive = judged.arrival === 'live'
  const isSent = isLocal || judged.isForwarded === true
  const pos = tx.nextPosition()
  const now = deps.clock.now()
  const { event, prunedTs } = await pruneOnEntry(tx, deps, judged, now)
  const { type, stateKey } = event
  const keyNid = stateKey === undefined ? null : await deps.roomCache.putStateKey(tx, { type, stateKey })
  const ord = !isShown ? null : isLive ? room.nextOrd + (missing.length > 0 ? gapOrds : 0) : (judged.backOrd ?? null)
  const relation = isShown ? relationOf(event.content) : undefined
  const threadId = relation === undefined ? undefined : await threadOf(tx, room, relation)
  const notifies = ord !== null && isLive && prunedTs === null && notifiesByDefault(event)
  const notifying = notifies && threadId === undefined ? room.notifying + 1 : room.notifying
  const notifyOrd = !notifies ? undefined : threadId === undefined ? notifying : 0
  const isState = keyNid !== null && rejected === undefined
  const groupBefore = before[0]?.groupNid ?? 0

  let eventNid: number
  if (outlier === undefined) {
    const row = newRow(tx, room, event, {
      state_key_nid: keyNid,
      sender_nid: senderNid,
      ord,
      pos,
      state_before: groupBefore,
      state_after: groupBefore,
      rejected: rejected ?? null,
      soft_failed: softFailed,
      backfilled: !isLive,
      local: isSent,
      pruned_ts: prunedTs,
      thread_id: threadId ?? null,
      notify_ord: notifyOrd ?? null,
      auth_edges: keyNid === null ? null : packNids(judged.authNids),
      received_ts: now,
    })
    eventNid = await insertEvent(tx, row)
    // auth edges point to lower row ids: resolution sweeps the graph in their order
    if (judged.authNids.some((nid) => nid >= eventNid)) throw new Error('an auth event has a higher row id')
  } else eventNid = outlier.eventNid
  const after: Chain = isState
    ? await putGroup(deps.roomCache.caches, tx, room.nid, before, new Map([[keyNid, eventNid]]))
    : before
  const groupAfter = after[0]?.groupNid ?? 0
  if (outlier !== undefined) {
    if (prunedTs !== null) await pruneEventRow(tx, eventNid, event.text, prunedTs)
    await placeOutlier(tx, {
      nid: eventNid,
      ord,
      writer: tx.writerNid,
      pos,
      stateBefore: groupBefore,
      stateAfter: groupAfter,
      rejected: rejected ?? null,
      softFailed,
      backfilled: !isLive,
      threadId: threadId ?? null,
      notifyOrd: notifyOrd ?? null,
    })
  } else if (groupAfter !== groupBefore) await putStateAfter(tx, eventNid, groupAfter)

  const extremities = await applyForwardExtremities(tx, room, judged, { eventNid, groupAfter, isShown })
  if (missing.length > 0) await insertBackwardExtremities(tx, room.nid, eventNid, missing)
  const cause = { eventNid, ord, pos, ts: event.originServerTs }
  const current = await applyCurrentState(tx, deps, room, {
    extremities,
    event,
    eventNid,
    keyNid,
    before,
    after,
    cause,
  })
  if (ord !== null && isLive && current.changes.currentGroup !== groupAfter)
    await putCurrentAfter(tx, eventNid, current.changes.currentGroup)
  let next: Room = {
    ...room,
    ...current.changes,
    revision: room.revision + 1,
    extremities,
    nextOrd: ord !== null && isLive ? ord + 1 : room.nextOrd,
    nextBackOrd: ord !== null && !isLive ? Math.min(room.nextBackOrd, ord - 1) : room.nextBackOrd,
    lastLocalNid: isSent && isShown ? eventNid : room.lastLocalNid,
    notifying,
  }
  if (isShown) {
    if (prunedTs === null) await keepFacts(tx, room, event, eventNid, senderNid, relation)
    if (ord !== null && isLive)
      await touchSummary(tx, room.nid, {
        pos,
        ord,
        bumpTs: movesRoomUp(event) ? storable(event.originServerTs) : undefined,
      })
  }
  if (!isLocal) next = await applyWaitingRedactions(tx, deps, next, event.eventId)
  if (type === 'm.room.redaction' && rejected === undefined)
    next = await applyRedaction(tx, deps, next, { event, eventNid, senderNid, softFailed, stateBefore: groupBefore })

  const isAdvanced = await advanceRoom(tx, {
    roomNid: room.nid,
    revision: room.revision,
    nextOrd: next.nextOrd,
    nextBackOrd: next.nextBackOrd,
    currentGroup: next.currentGroup,
    lastLocalNid: next.lastLocalNid,
  })
  if (!isAdvanced) throw new Stale('the room moved')
  deps.roomCache.put(tx, next)
  if (keyNid !== null && prunedTs === null) tx.onCommit(() => deps.roomCache.caches.events.set(eventNid, event))
  if (isShown && isLive && ord !== null)
    await deps.notify?.(tx, { room: next, event, eventNid, senderNid, ord, threadId, notifyOrd })
  tx.afterCommit(() => {
    deps.changes.announce({ roomNids: [room.nid], userNids: current.userNids })
    if (isSent && isShown && (next.hosts.length > 0 || room.hosts.length > 0))
      deps.outbound.wake([...new Set([...room.hosts, ...next.hosts])])
  })
  return { room: next, event, eventNid }
}

/**
 * Everything that an erased person sent, or that tells their name, and that arrives afterwards is stored pruned
 * (ERASURE.md, section 4). What people of this server say of them is theirs.
 */
async function pruneOnEntry(
  tx: Tx,
  deps: AppendDeps,
  { event, senderNid, isLocal, arrival, rejected, softFailed }: Judged,
  now: number,
): Promise<{ readonly event: RoomEvent; readonly prunedTs: number | null }> {
  const mark = deps.erased.of(senderNid)
  if (mark === undefined && (isLocal || !(await isSubjectErased(deps, tx, event, arrival))))
    return { event, prunedTs: null }
  if (rejected === undefined && showsReturn(mark, event.originServerTs, isLocal, arrival)) {
    await putUserReturned(tx, senderNid, event.originServerTs)
    tx.onCommit(() => deps.erased.returned(senderNid, event.originServerTs))
    return { event, prunedTs: null }
  }
  if (mark !== undefined && !isCoveredByErasure(mark, event.originServerTs, arrival)) return { event, prunedTs: null }
  const becomesCurrent =
    arrival === 'live' && event.stateKey !== undefined && rejected === undefined && softFailed !== true
  if (pruneRule(event, becomesCurrent).stored === 'keep') return { event, prunedTs: null }
  const pruned = pruneEvent(event)
  // it has waited in the database for its judgement
  if (pruned.text !== event.text) await noteDeleted(tx, now)
  return { event: pruned, prunedTs: now }
}

/** What the content of an event says about other events and about files. */
export async function keepFacts(
  tx: Tx,
  room: Room,
  event: RoomEvent,
  eventNid: number,
  senderNid: number,
  relation: Relation | undefined,
): Promise<void> {
  if (relation !== undefined) await insertRelation(tx, { ...relation, eventNid, roomNid: room.nid, senderNid })
  // a text without the scheme names no file: most messages
  if (!event.text.includes('mxc:')) return
  const media = mediaOf(event.content)
  if (media.length > 0) await insertEventMedia(tx, eventNid, media)
}
