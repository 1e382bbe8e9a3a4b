import { FederationError } from '../federation/errors.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { EventId, RoomId, ServerName } from '../protocol/ids.ts'
import type { Json } from '../protocol/json-types.ts'
import type { KnownEvent } from '../store/events.ts'
import { listKnownEvents } from '../store/events.ts'
import { findFirstLiveDepth } from '../store/timeline.ts'
import { Allowance } from '../util/budget.ts'
import { checkShape } from './checks/shape.ts'
import { redactUnlessHashed } from './checks/content-hash.ts'
import { checkSignatures } from './checks/signatures.ts'
import type { RoomsDeps } from './deps.ts'
import type { GivenState } from './live.ts'
import type { OutlierDeps } from './outliers.ts'
import { namedForAuth, storeOutliers } from './outliers.ts'
import type { Room } from './room.ts'
import { inOrder, allEdges } from './topological.ts'

export type FetchDeps = OutlierDeps & Pick<RoomsDeps, 'federation' | 'keyRing' | 'log'>

/** Outbound calls for one PDU, keys aside. */
const callsPerPdu = 2
/** Outbound calls for all PDUs of a room that came together. */
const mostCalls = 10
const gapLimit = 10
const mostLatest = 20
const mostFetched = 100

/** What was fetched because events name it and it was missing. */
export interface Fetched {
  /** Events of the timeline that come before. */
  readonly fetched: readonly RoomEvent[]
  /** The state before events whose predecessors stay missing. */
  readonly given: ReadonlyMap<EventId, GivenState>
  /** What is left of the outbound calls that these events may cause. */
  readonly allowance: Allowance
}

/**
 * Fetches what the events name and is not stored: events between the room's newest and these, at most 10 deep, the state
 * at the gap that remains, and auth events. At most one gap of a room is filled at a time. Never throws: what could not be
 * had is missing when the event is judged. `isPatient`: where the origin does not answer when it is asked for the events
 * between, no state stands in for them.
 */
export async function fillGaps(
  deps: FetchDeps,
  roomId: RoomId,
  origin: ServerName,
  events: readonly RoomEvent[],
  isPatient = false,
): Promise<Fetched> {
  const room = await deps.database.read((conn) => deps.roomCache.get(conn, roomId))
  const allowance = new Allowance(Math.min(mostCalls, callsPerPdu * events.length))
  if ((await missingOf(deps, room, events)).all.size === 0) return { fetched: [], given: new Map(), allowance }
  return deps.roomCache.gaps.run(roomId, async () => {
    const fetched = await fetchBetween(deps, room, origin, events, allowance)
    const all = [...fetched, ...events]
    if (isPatient && allowance.failures > 0) return { fetched, given: new Map(), allowance }
    const given = await fetchStates(deps, room, origin, all, allowance)
    await fetchAuthEvents(deps, room, origin, all, allowance)
    return { fetched, given, allowance }
  })
}

/**
 * The state before events that were refused because something that they name is still missing: what they build on was
 * refused itself. Never throws.
 */
export async function fillEdges(
  deps: FetchDeps,
  roomId: RoomId,
  origin: ServerName,
  events: readonly RoomEvent[],
  allowance: Allowance,
): Promise<ReadonlyMap<EventId, GivenState>> {
  const room = await deps.database.read((conn) => deps.roomCache.get(conn, roomId))
  return deps.roomCache.gaps.run(roomId, async () => {
    const given = await fetchStates(deps, room, origin, events, allowance)
    await fetchAuthEvents(deps, room, origin, events, allowance)
    return given
  })
}

interface Missing {
  /** Predecessors that are not in the graph. */
  readonly previous: ReadonlySet<EventId>
  /** Those of them that are no state from before we came into the room: they may be had. */
  readonly unknown: ReadonlySet<EventId>
  /** Whether an event is known as state from before we came. */
  readonly isOlder: (row: KnownEvent | undefined) => boolean
  readonly auth: ReadonlySet<EventId>
  readonly all: ReadonlySet<EventId>
  readonly known: ReadonlyMap<EventId, KnownEvent>
}

/** What these events name and neither they nor the store have. An outlier is no predecessor: it has no state. */
async function missingOf(deps: FetchDeps, room: Room, events: readonly RoomEvent[]): Promise<Missing> {
  const inside = new Set(events.map(({ eventId }) => eventId))
  const previous = new Set(events.flatMap(({ prevEventIds }) => prevEventIds).filter((id) => !inside.has(id)))
  const auth = new Set(events.flatMap(namedForAuth).filter((id) => !inside.has(id)))
  const known = await deps.database.read((conn) => listKnownEvents(conn, [...new Set([...previous, ...auth])]))
  const isHere = (id: EventId) => known.get(id)?.roomNid === room.nid
  for (const id of previous) if (isHere(id) && known.get(id)?.outlier === false) previous.delete(id)
  for (const id of auth) if (isHere(id)) auth.delete(id)
  const firstDepth = previous.size === 0 ? 0 : await deps.database.read((conn) => findFirstLiveDepth(conn, room.nid))
  const isOlder = (row: KnownEvent | undefined) => row?.outlier === true && row.depth <= firstDepth
  const unknown = new Set([...previous].filter((id) => !isOlder(known.get(id))))
  return { previous, unknown, isOlder, auth, all: new Set([...previous, ...auth]), known }
}

/** Checks 1 to 3 of PDUs that were fetched; those that fail are left out. */
export async function checkFetched(
  deps: Pick<RoomsDeps, 'keyRing'>,
  room: Pick<Room, 'id' | 'version'>,
  pdus: readonly Json[],
): Promise<RoomEvent[]> {
  return checkShaped(deps, shapedEvents(room, pdus))
}

/** Check 1 of PDUs that were fetched, each event once; those that are none are left out. */
export function shapedEvents(room: Pick<Room, 'id' | 'version'>, pdus: readonly Json[]): RoomEvent[] {
  const events = new Map<EventId, RoomEvent>()
  for (const pdu of pdus) {
    const event = checkShape(room.version, room.id, pdu)
    if (typeof event !== 'string') events.set(event.eventId, event)
  }
  return [...events.values()]
}

/** Checks 2 and 3 of events that were fetched. */
export async function checkShaped(
  deps: Pick<RoomsDeps, 'keyRing'>,
  events: readonly RoomEvent[],
): Promise<RoomEvent[]> {
  const { passed } = await checkSignatures(deps, [...new Map(events.map((event) => [event.eventId, event])).values()])
  return passed.map(redactUnlessHashed)
}

async function attempt<T>(
  deps: Pick<RoomsDeps, 'log'>,
  what: string,
  room: Room,
  allowance: Allowance,
  fn: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await fn()
  } catch (error) {
    if (error instanceof FederationError && isUnanswered(error)) allowance.failed()
    deps.log.debug('a fetch failed', { what, roomId: room.id, error: error instanceof Error ? error.name : 'unknown' })
    return undefined
  }
}

/** Whether the server may answer another time: it is away, or has trouble of its own. */
function isUnanswered({ kind, remote }: FederationError): boolean {
  return kind !== 'refused' || remote === undefined || remote.status >= 500 || remote.status === 429
}

async function fetchBetween(
  deps: FetchDeps,
  room: Room,
  origin: ServerName,
  events: readonly RoomEvent[],
  allowance: Allowance,
): Promise<RoomEvent[]> {
  const { unknown, isOlder } = await missingOf(deps, room, events)
  const latest = events.filter(({ prevEventIds }) => prevEventIds.some((id) => unknown.has(id)))
  if (latest.length === 0 || !allowance.spend()) return []
  const newest = [...room.extremities].sort((a, b) => b.eventNid - a.eventNid).slice(0, mostLatest)
  const pdus = await attempt(deps, 'get_missing_events', room, allowance, () =>
    deps.federation.getMissingEvents(origin, room.id, {
      earliest: newest.map(({ eventId }) => eventId),
      latest: latest.slice(0, mostLatest).map(({ eventId }) => eventId),
      limit: gapLimit,
    }),
  )
  const inside = new Set(events.map(({ eventId }) => eventId))
  const found = await checkFetched(deps, room, (pdus ?? []).slice(0, mostFetched))
  const known = await deps.database.read((conn) =>
    listKnownEvents(
      conn,
      found.map(({ eventId }) => eventId),
    ),
  )
  // state from before we came is nothing that happened in the gap
  const isNew = (row: KnownEvent | undefined) => row === undefined || (row.outlier && !isOlder(row))
  const fresh = found.filter(({ eventId }) => !inside.has(eventId) && isNew(known.get(eventId)))
  return leadingTo(events, fresh)
}

/** Only what the events name, directly or not: a server cannot put others in this way. */
function leadingTo(events: readonly RoomEvent[], fetched: readonly RoomEvent[]): RoomEvent[] {
  const byId = new Map(fetched.map((event) => [event.eventId, event]))
  const wanted = new Set<EventId>(events.flatMap(({ prevEventIds }) => prevEventIds))
  for (const id of wanted) for (const prev of byId.get(id)?.prevEventIds ?? []) wanted.add(prev)
  return fetched.filter(({ eventId }) => wanted.has(eventId))
}

/** The state before each event at the edge of the gap, asked of the origin, where predecessors are still missing. */
async function fetchStates(
  deps: FetchDeps,
  room: Room,
  origin: ServerName,
  events: readonly RoomEvent[],
  allowance: Allowance,
): Promise<Map<EventId, GivenState>> {
  const { previous } = await missingOf(deps, room, events)
  const given = new Map<EventId, GivenState>()
  for (const event of inOrder(events, allEdges)) {
    if (!event.prevEventIds.some((id) => previous.has(id))) continue
    if (!allowance.spend()) break
    const state = await attempt(deps, 'state', room, allowance, () => fetchState(deps, room, origin, event.eventId))
    if (state !== undefined) given.set(event.eventId, state)
  }
  return given
}

/** The state before an event as another server has it, its events stored as outliers. Throws what the request throws, and where the state has no create event. */
export async function fetchState(
  deps: FetchDeps,
  room: Room,
  origin: ServerName,
  eventId: EventId,
): Promise<GivenState> {
  const answer = await deps.federation.getState(origin, room.id, eventId)
  const stateEvents = shapedEvents(room, answer.pdus)
  await storeOutliers(deps, room, await checkShaped(deps, [...shapedEvents(room, answer.authChain), ...stateEvents]))
  return stateOfIds(
    deps,
    room,
    stateEvents.map((event) => event.eventId),
  )
}

/** The state made of stored events; rejected ones stay out. Throws where there is no create event among them. */
export async function stateOfIds(deps: FetchDeps, room: Room, eventIds: readonly EventId[]): Promise<GivenState> {
  return deps.database.read(async (conn) => {
    const state = new Map<number, number>()
    for (const row of (await listKnownEvents(conn, eventIds)).values())
      if (row.stateKeyNid !== null && row.rejected === null && row.roomNid === room.nid)
        state.set(row.stateKeyNid, row.eventNid)
    const createKey = await deps.roomCache.stateKeyNid(conn, { type: 'm.room.create', stateKey: '' })
    if (createKey === undefined || !state.has(createKey)) throw new Error('a state without a create event')
    return state
  })
}

/** Fetches auth events that are missing: the whole chain of one event, then single events, as far as the allowance goes. */
export async function fetchAuthEvents(
  deps: FetchDeps,
  room: Room,
  origin: ServerName,
  events: readonly RoomEvent[],
  allowance: Allowance,
): Promise<void> {
  for (const event of events) {
    if ((await missingOf(deps, room, [event])).auth.size === 0) continue
    if (!allowance.spend()) return
    const chain = await attempt(deps, 'event_auth', room, allowance, () =>
      deps.federation.getEventAuth(origin, room.id, event.eventId),
    )
    if (chain !== undefined) await storeOutliers(deps, room, await checkFetched(deps, room, chain))
    const singles: Json[] = []
    for (const id of (await missingOf(deps, room, [event])).auth) {
      if (!allowance.spend()) break
      const pdu = await attempt(deps, 'event', room, allowance, () => deps.federation.getEvent(origin, id))
      if (pdu !== undefined) singles.push(pdu)
    }
    if (singles.length > 0) await storeOutliers(deps, room, await checkFetched(deps, room, singles))
  }
}
