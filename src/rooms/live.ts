import type { CheckedEvent } from '../protocol/auth/selection.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { EventId } from '../protocol/ids.ts'
import { essentialJson } from '../protocol/redact.ts'
import type { Tx } from '../store/database.ts'
import type { KnownEvent } from '../store/events.ts'
import { listKnownEvents } from '../store/events.ts'
import type { AppendDeps } from './append.ts'
import { append } from './append.ts'
import { authStateAt } from './auth-state.ts'
import { checkAuthEvents, createIdOf } from './checks/auth-events.ts'
import { checkCurrentState } from './checks/current-state.ts'
import { checkPolicyServer } from './checks/policy-server.ts'
import { checkStateBefore } from './checks/state-before.ts'
import { loadEvents } from './events.ts'
import type { Chain } from './layers.ts'
import { namedForAuth } from './outliers.ts'
import { putGroupOfMap, putResolvedGroup } from './resolve.ts'
import type { Room } from './room.ts'
import type { ReceivedVerdict } from './verdict.ts'

/** The state before an event as another server gave it: event by place, as row ids. */
export type GivenState = ReadonlyMap<number, number>

/** An event that has passed the checks which need no state. */
export interface Candidate {
  readonly event: RoomEvent
  readonly arrival: 'live' | 'old'
  /** Stands in for the states after its predecessors that are not stored. */
  readonly given?: GivenState | undefined
  /** The place in the timeline of an event that is history. */
  readonly backOrd?: number | undefined
  /** A handshake's event, which other servers get from us. */
  readonly isForwarded?: boolean | undefined
}

/** Judges an event by its auth events, the state before it and the current state, and stores it: checks 4 to 7. */
export async function judgeAndAppend(
  tx: Tx,
  deps: AppendDeps,
  room: Room,
  candidate: Candidate,
): Promise<{ readonly room: Room; readonly verdict: ReceivedVerdict }> {
  const { event, arrival, given, backOrd, isForwarded = false } = candidate
  const { eventId, prevEventIds } = event
  const refuse = (error: string) => ({ room, verdict: { eventId, verdict: 'refused', error } as const })
  const lacks = (error: string) => ({
    room,
    verdict: { eventId, verdict: 'refused', error, isIncomplete: true } as const,
  })
  const known = await listKnownEvents(tx, [...new Set([eventId, ...prevEventIds, ...namedForAuth(event)])])
  const self = known.get(eventId)
  if (self !== undefined && self.roomNid !== room.nid) return refuse('stored for another room')
  if (self !== undefined && !self.outlier) return { room, verdict: knownVerdict(self) }
  // Before version 3 the origin chooses the id: what is judged must be what is stored.
  if (self !== undefined && event.version.eventIdFormat === 'origin') {
    const stored = await storedForm(tx, deps, room, self, event)
    if (!isSameEvent(stored, event)) return refuse(anotherEvent)
  }
  // one with predecessors is judged like any event, and rejected: others may build on it
  if (event.type === 'm.room.create' && prevEventIds.length === 0) {
    const isFirst = self !== undefined && self.rejected === null && arrival === 'old'
    return isFirst ? placeCreate(tx, deps, room, candidate, self) : refuse('the room has its create event')
  }

  const auth = await authEventsOf(tx, deps, room, event, known)
  if (auth === undefined) return lacks('its auth events are missing')
  const previous = new Map<EventId, KnownEvent>()
  const missing: EventId[] = []
  for (const id of prevEventIds) {
    const row = known.get(id)
    if (row === undefined || row.outlier || row.roomNid !== room.nid) missing.push(id)
    else previous.set(id, row)
  }
  if (prevEventIds.length === 0) return refuse('it names no previous events')
  if (missing.length > 0 && given === undefined) return lacks('its previous events are missing')
  const before = await stateBefore(tx, deps, room, previous, given)

  const rejected =
    self?.rejected ??
    checkAuthEvents(event, auth.events, auth.create) ??
    checkStateBefore(event, await authStateAt(deps, tx, room, before, event))
  const softFailure =
    rejected !== undefined || arrival === 'old'
      ? undefined
      : ((await checkCurrentState(deps, tx, room, event)) ?? (await checkPolicyServer(deps, tx, room, event)))
  const appended = await append(tx, deps, room, {
    event: self === undefined ? event : await storedForm(tx, deps, room, self, event),
    isLocal: false,
    isForwarded,
    senderNid: await deps.roomCache.putUser(tx, event.sender),
    authNids: auth.nids,
    before,
    arrival,
    rejected,
    softFailed: softFailure !== undefined,
    outlier: self,
    missing,
    previous,
    ...(backOrd === undefined ? {} : { backOrd }),
  })
  const error = rejected ?? softFailure
  const verdict = rejected !== undefined ? 'rejected' : softFailure !== undefined ? 'soft_failed' : 'accepted'
  return { room: appended.room, verdict: { eventId, verdict, ...(error === undefined ? {} : { error }) } }
}

/** The create event of a room that was joined by way of another server, once its history is fetched that far. */
async function placeCreate(
  tx: Tx,
  deps: AppendDeps,
  room: Room,
  { event, backOrd }: Candidate,
  self: KnownEvent,
): Promise<{ readonly room: Room; readonly verdict: ReceivedVerdict }> {
  const appended = await append(tx, deps, room, {
    event: await storedForm(tx, deps, room, self, event),
    isLocal: false,
    senderNid: await deps.roomCache.putUser(tx, event.sender),
    authNids: [],
    before: [],
    arrival: 'old',
    outlier: self,
    ...(backOrd === undefined ? {} : { backOrd }),
  })
  return { room: appended.room, verdict: { eventId: event.eventId, verdict: 'accepted' } }
}

/** What was stored before as an outlier stays as it is, because it may have been pruned since. */
async function storedForm(
  tx: Tx,
  deps: AppendDeps,
  room: Room,
  { eventNid }: KnownEvent,
  event: RoomEvent,
): Promise<RoomEvent> {
  return (await loadEvents(deps, tx, room, [eventNid])).get(eventNid) ?? event
}

export const anotherEvent = 'another event is stored under this id'

/** Whether what is stored under an id is this event, whole or redacted. */
export function isSameEvent(stored: RoomEvent | undefined, event: RoomEvent): boolean {
  if (stored === undefined) return false
  return essentialJson(event.version, stored.pdu) === essentialJson(event.version, event.pdu)
}

/** What an event that is stored already was judged: a refusal stays one however often the event is offered. */
export function knownVerdict({ eventId, rejected, softFailed }: KnownEvent): ReceivedVerdict {
  const id = eventId as EventId
  if (rejected !== null) return { eventId: id, verdict: 'rejected', error: rejected }
  return softFailed
    ? { eventId: id, verdict: 'soft_failed', error: 'not allowed by the current state' }
    : { eventId: id, verdict: 'duplicate' }
}

interface AuthEvents {
  readonly nids: readonly number[]
  readonly events: readonly CheckedEvent[]
  readonly create: CheckedEvent | undefined
}

async function authEventsOf(
  tx: Tx,
  deps: AppendDeps,
  room: Room,
  event: RoomEvent,
  known: ReadonlyMap<EventId, KnownEvent>,
): Promise<AuthEvents | undefined> {
  const rows: KnownEvent[] = []
  for (const id of namedForAuth(event)) {
    const row = known.get(id)
    if (row === undefined || row.roomNid !== room.nid) return undefined
    rows.push(row)
  }
  const loaded = await loadEvents(
    deps,
    tx,
    room,
    rows.map(({ eventNid }) => eventNid),
  )
  const checked = new Map<string, CheckedEvent>()
  for (const { eventId, eventNid, rejected } of rows) {
    const found = loaded.get(eventNid)
    if (found === undefined) return undefined
    checked.set(eventId, { event: found, rejected: rejected !== null })
  }
  const createId = createIdOf(event)
  return {
    nids: event.authEventIds.map((id) => known.get(id)?.eventNid as number),
    events: event.authEventIds.map((id) => checked.get(id) as CheckedEvent),
    create: createId === undefined ? undefined : checked.get(createId),
  }
}

/** What the states after the predecessors make together. */
async function stateBefore(
  tx: Tx,
  deps: AppendDeps,
  room: Room,
  previous: ReadonlyMap<EventId, KnownEvent>,
  given: GivenState | undefined,
): Promise<Chain> {
  const groups = [...previous.values()].map(({ stateAfter }) => stateAfter ?? 0).filter((group) => group !== 0)
  if (given !== undefined) {
    const chain = await putGroupOfMap(
      deps,
      tx,
      room,
      given,
      groups.length > 0 ? groups : [room.currentGroup].filter(Boolean),
    )
    const group = chain[0]?.groupNid
    if (groups.length === 0 || group === undefined) return chain
    groups.push(group)
  }
  // usual: one branch, whose layers are at hand
  const isCurrent = groups.length > 0 && groups.every((group) => group === room.currentGroup)
  return isCurrent ? room.chain : putResolvedGroup(deps, tx, room, groups)
}
