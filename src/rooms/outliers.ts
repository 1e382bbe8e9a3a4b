import type { CheckedEvent } from '../protocol/auth/selection.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { EventId } from '../protocol/ids.ts'
import { pruneEvent } from '../protocol/redact.ts'
import type { Tx } from '../store/database.ts'
import { insertEventMedia } from '../store/event-media.ts'
import type { EventRow, KnownEvent } from '../store/events.ts'
import { insertEvents, isPlaceTaken, listKnownEvents, reserveEventNids } from '../store/events.ts'
import { packNids } from '../store/packed.ts'
import { listAwaited } from '../store/redactions.ts'
import { putStateKeys } from '../store/state-keys.ts'
import { putUsers } from '../store/users.ts'
import { checkAuthEvents, createIdOf } from './checks/auth-events.ts'
import { mediaOf } from './content-facts.ts'
import type { RoomsDeps } from './deps.ts'
import { isSubjectErased, noteDeleted } from './erasure-of.ts'
import { storable } from './event-numbers.ts'
import { loadEvents } from './events.ts'
import { isCoveredByErasure, pruneRule } from './prune-rule.ts'
import { applyWaitingRedactions } from './redaction-application.ts'
import type { Room } from './room.ts'
import { stateKeyText } from '../protocol/auth/state.ts'
import { inOrder } from './topological.ts'
import type { ReceivedVerdict } from './verdict.ts'

export type OutlierDeps = Pick<RoomsDeps, 'database' | 'roomCache' | 'erased' | 'clock' | 'mediaReleased' | 'changes'>

/** An event with what became of it when it was judged, and its row. */
interface JudgedOutlier extends CheckedEvent {
  readonly nid: number
}

interface Plan {
  readonly event: RoomEvent
  readonly authNids: readonly (number | EventId)[]
  readonly rejected: string | undefined
}

// one statement for all rows; more of them would hold the event loop
const chunkSize = 250

/**
 * Judges and stores state events outside the room's graph: those that others name for authorization, or that make up a
 * state. They have passed signatures and content hash. Judged by their auth events, earliest first; one whose auth
 * events are neither given nor stored is refused. Gives a verdict for each.
 */
export async function storeOutliers(
  deps: OutlierDeps,
  room: Pick<Room, 'nid' | 'id' | 'version'>,
  events: readonly RoomEvent[],
): Promise<Map<EventId, ReceivedVerdict>> {
  const verdicts = new Map<EventId, ReceivedVerdict>()
  const ordered = inOrder(
    events.filter(({ stateKey }) => stateKey !== undefined),
    namedForAuth,
  )
  for (const { eventId } of events)
    verdicts.set(eventId, { eventId, verdict: 'refused', error: 'its auth chain is not complete' })
  for (let start = 0; start < ordered.length; start += chunkSize) {
    const chunk = ordered.slice(start, start + chunkSize)
    const done = await deps.database.write((tx) => storeChunk(tx, deps, room, chunk))
    for (const verdict of done) if (verdict.eventId !== undefined) verdicts.set(verdict.eventId, verdict)
  }
  return verdicts
}

/** What must be known before an event is judged: its auth events, and from version 12 the create event. */
export function namedForAuth(event: RoomEvent): readonly EventId[] {
  const createId = createIdOf(event)
  return createId === undefined ? event.authEventIds : [...event.authEventIds, createId]
}

async function storeChunk(
  tx: Tx,
  deps: OutlierDeps,
  room: Pick<Room, 'nid' | 'id' | 'version'>,
  chunk: readonly RoomEvent[],
): Promise<ReceivedVerdict[]> {
  const known = await listKnownEvents(tx, [
    ...new Set([...chunk.map(({ eventId }) => eventId), ...chunk.flatMap(namedForAuth)]),
  ])
  const judged = await loadJudged(tx, deps, room, chunk, known)
  const verdicts: ReceivedVerdict[] = []
  const plans: Plan[] = []
  const accepted = new Map<EventId, CheckedEvent>(judged)
  let hasCreate = await knowsOtherCreate(tx, deps, room, chunk, known)
  for (const event of chunk) {
    const { eventId } = event
    const row = known.get(eventId)
    if (row !== undefined) {
      const isOurs = row.roomNid === room.nid
      verdicts.push(
        !isOurs
          ? { eventId, verdict: 'refused', error: 'stored for another room' }
          : row.rejected === null
            ? { eventId, verdict: 'duplicate' }
            : { eventId, verdict: 'rejected', error: row.rejected },
      )
      continue
    }
    if (event.type === 'm.room.create' && hasCreate) {
      verdicts.push({ eventId, verdict: 'refused', error: 'the room has its create event' })
      continue
    }
    const authEvents = event.authEventIds.map((id) => accepted.get(id))
    const createId = createIdOf(event)
    const create = createId === undefined ? undefined : accepted.get(createId)
    if (authEvents.includes(undefined) || (createId !== undefined && create === undefined)) {
      verdicts.push({ eventId, verdict: 'refused', error: 'its auth chain is not complete' })
      continue
    }
    const rejected = checkAuthEvents(event, authEvents as CheckedEvent[], create)
    accepted.set(eventId, { event, rejected: rejected !== undefined })
    hasCreate ||= event.type === 'm.room.create' && rejected === undefined
    plans.push({ event, authNids: event.authEventIds.map((id) => judged.get(id)?.nid ?? id), rejected })
    verdicts.push(
      rejected === undefined ? { eventId, verdict: 'accepted' } : { eventId, verdict: 'rejected', error: rejected },
    )
  }
  await insertPlans(tx, deps, room, plans)
  return verdicts
}

/** Whether the chunk brings a new create event to a room that has one: before version 12 its server could make several. */
async function knowsOtherCreate(
  tx: Tx,
  deps: OutlierDeps,
  { nid }: Pick<Room, 'nid'>,
  chunk: readonly RoomEvent[],
  known: ReadonlyMap<EventId, KnownEvent>,
): Promise<boolean> {
  if (!chunk.some(({ type, eventId }) => type === 'm.room.create' && !known.has(eventId))) return false
  const key = await deps.roomCache.stateKeyNid(tx, { type: 'm.room.create', stateKey: '' })
  return key !== undefined && isPlaceTaken(tx, nid, key)
}

/** The stored ones among the auth events. */
async function loadJudged(
  tx: Tx,
  deps: OutlierDeps,
  room: Pick<Room, 'nid' | 'id' | 'version'>,
  chunk: readonly RoomEvent[],
  known: ReadonlyMap<EventId, KnownEvent>,
): Promise<Map<EventId, JudgedOutlier>> {
  const wanted = new Map<number, KnownEvent>()
  for (const id of new Set(chunk.flatMap(namedForAuth))) {
    const row = known.get(id)
    if (row !== undefined && row.roomNid === room.nid) wanted.set(row.eventNid, row)
  }
  const loaded = await loadEvents(deps, tx, room, wanted.keys())
  const judged = new Map<EventId, JudgedOutlier>()
  for (const [nid, row] of wanted) {
    const event = loaded.get(nid)
    if (event !== undefined) judged.set(row.eventId as EventId, { event, rejected: row.rejected !== null, nid })
  }
  return judged
}

async function insertPlans(
  tx: Tx,
  deps: OutlierDeps,
  room: Pick<Room, 'nid' | 'id' | 'version'>,
  plans: readonly Plan[],
): Promise<void> {
  if (plans.length === 0) return
  const users = await putUsers(
    tx,
    plans.map(({ event }) => event.sender),
  )
  const keys = new Map(
    (await putStateKeys(tx, distinctPlaces(plans))).map(({ type, stateKey, nid }) => [
      stateKeyText(type, stateKey),
      nid,
    ]),
  )
  const nids = await reserveEventNids(tx, plans.length)
  const nidOf = new Map(plans.map(({ event }, i) => [event.eventId, nids[i] as number]))
  const pos = tx.nextPosition()
  const now = deps.clock.now()
  const prunable = new Set<RoomEvent>()
  for (const { event } of plans) {
    const mark = deps.erased.of(users.get(event.sender) as number)
    const isErased =
      isCoveredByErasure(mark, event.originServerTs, 'old') || (await isSubjectErased(deps, tx, event, 'old'))
    if (isErased && pruneRule(event, true).stored === 'prune') prunable.add(event)
  }
  if (prunable.size > 0) await noteDeleted(tx, now)
  const rows = plans.map(({ event, authNids, rejected }, i): Omit<EventRow, 'redacted_by' | 'current_after'> => {
    const senderNid = users.get(event.sender) as number
    const isPruned = prunable.has(event)
    return {
      event_nid: nids[i] as number,
      event_id: event.eventId,
      room_nid: room.nid,
      type: event.type,
      state_key_nid: keys.get(stateKeyText(event.type, event.stateKey ?? '')) ?? null,
      sender_nid: senderNid,
      origin_server_ts: storable(event.originServerTs),
      depth: storable(event.depth),
      ord: null,
      writer: tx.writerNid,
      pos,
      state_before: null,
      state_after: null,
      outlier: true,
      rejected: rejected ?? null,
      soft_failed: false,
      backfilled: false,
      partial_state: false,
      local: false,
      pruned_ts: isPruned ? now : null,
      thread_id: null,
      notify_ord: null,
      auth_edges: packNids(authNids.map((auth) => (typeof auth === 'number' ? auth : (nidOf.get(auth) as number)))),
      received_ts: now,
      json: isPruned ? pruneEvent(event).text : event.text,
    }
  })
  await insertEvents(tx, rows)
  tx.onCommit(() => {
    for (const [i, { event }] of plans.entries())
      if (rows[i]?.pruned_ts === null) deps.roomCache.caches.events.set(nids[i] as number, event)
  })
  for (const [i, { event }] of plans.entries())
    if (rows[i]?.pruned_ts === null && event.text.includes('mxc:')) {
      const media = mediaOf(event.content)
      if (media.length > 0) await insertEventMedia(tx, nids[i] as number, media)
    }
  await redactWhatWaits(tx, deps, room, plans)
}

function distinctPlaces(plans: readonly Plan[]): { type: string; stateKey: string }[] {
  const places = new Map<string, { type: string; stateKey: string }>()
  for (const { event } of plans) {
    const { type, stateKey = '' } = event
    places.set(stateKeyText(type, stateKey), { type, stateKey })
  }
  return [...places.values()]
}

async function redactWhatWaits(
  tx: Tx,
  deps: OutlierDeps,
  room: Pick<Room, 'nid' | 'id' | 'version'>,
  plans: readonly Plan[],
): Promise<void> {
  const waiting = await listAwaited(
    tx,
    plans.map(({ event }) => event.eventId),
  )
  if (waiting.length === 0) return
  const whole = await deps.roomCache.find(tx, room.id)
  if (whole !== undefined) for (const eventId of waiting) await applyWaitingRedactions(tx, deps, whole, eventId)
}
