import type { RoomEvent } from '../protocol/event.ts'
import type { EventId, RoomId, ServerName } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { findOrdBelow, listKnownEvents } from '../store/events.ts'
import { listBackwardExtremities } from '../store/extremities.ts'
import { Allowance } from '../util/budget.ts'
import type { AppendDeps } from './append.ts'
import type { FetchDeps } from './fetch.ts'
import { checkFetched, fetchAuthEvents, fetchState, stateOfIds } from './fetch.ts'
import type { Candidate, GivenState } from './live.ts'
import { storeOutliers } from './outliers.ts'
import { appendAll } from './receive-live.ts'
import type { Room } from './room.ts'
import { allEdges, inOrder } from './topological.ts'
import type { ReceivedVerdict } from './verdict.ts'

type Deps = AppendDeps & FetchDeps

const mostCalls = 12
const mostSingles = 8
const chunkSize = 12

/**
 * Judges and stores older events of a room, that came by `/backfill`, before their neighbours in the timeline. Only what
 * stored events name, directly or by way of others of the list, is taken. They have passed signatures and content hash.
 */
export async function receiveHistory(
  deps: Deps,
  roomId: RoomId,
  origin: ServerName,
  events: readonly RoomEvent[],
): Promise<Map<EventId, ReceivedVerdict>> {
  const verdicts = new Map<EventId, ReceivedVerdict>()
  for (const { eventId } of events)
    verdicts.set(eventId, { eventId, verdict: 'refused', error: 'no stored event leads to it' })
  return deps.roomCache.gaps.run(roomId, async () => {
    const plan = await deps.database.read((conn) => planHistory(deps, conn, roomId, events))
    for (const verdict of plan.known) if (verdict.eventId !== undefined) verdicts.set(verdict.eventId, verdict)
    if (plan.ordered.length === 0) return verdicts
    const allowance = new Allowance(mostCalls)
    const given = await statesAtEdges(deps, plan, origin, allowance)
    await fetchAuthEvents(deps, plan.room, origin, plan.ordered, allowance)
    const candidates = plan.ordered.map((event, i): Candidate => {
      const { eventId } = event
      return { event, arrival: 'old', given: given.get(eventId), backOrd: plan.firstOrd + i }
    })
    for (let start = 0; start < candidates.length; start += chunkSize) {
      const done = await appendAll(deps, plan.room, candidates.slice(start, start + chunkSize))
      for (const verdict of done) if (verdict.eventId !== undefined) verdicts.set(verdict.eventId, verdict)
    }
    return verdicts
  })
}

interface HistoryPlan {
  readonly room: Room
  /** Oldest first. */
  readonly ordered: readonly RoomEvent[]
  /** Events whose predecessors are neither stored nor among them. */
  readonly edges: readonly RoomEvent[]
  readonly firstOrd: number
  readonly known: readonly ReceivedVerdict[]
}

async function planHistory(deps: Deps, conn: Conn, roomId: RoomId, events: readonly RoomEvent[]): Promise<HistoryPlan> {
  const room = await deps.roomCache.get(conn, roomId)
  const byId = new Map(events.map((event) => [event.eventId, event]))
  const rows = await listKnownEvents(conn, [
    ...new Set([...byId.keys(), ...events.flatMap(({ prevEventIds }) => prevEventIds)]),
  ])
  const isStored = (eventId: EventId) => rows.get(eventId)?.outlier === false
  const known = [...byId.keys()].filter(isStored).map((eventId): ReceivedVerdict => ({ eventId, verdict: 'duplicate' }))
  const gaps = (await listBackwardExtremities(conn, room.nid)).filter(({ eventId }) => byId.has(eventId))
  const wanted = new Set(gaps.map(({ eventId }) => eventId))
  // a Set visits what is added during the loop
  for (const eventId of wanted)
    for (const prev of byId.get(eventId)?.prevEventIds ?? []) if (byId.has(prev)) wanted.add(prev)
  const ordered = inOrder(
    events.filter(({ eventId }) => wanted.has(eventId) && !isStored(eventId)),
    allEdges,
  )
  const above = Math.min(...gaps.map(({ ord }) => ord ?? Infinity))
  const { firstOrd, free } = await placeFor(conn, room, above, ordered.length)
  const placed = ordered.slice(ordered.length - free)
  const inside = new Set(placed.map(({ eventId }) => eventId))
  const edges = placed.filter(({ prevEventIds }) => prevEventIds.some((id) => !inside.has(id) && !isStored(id)))
  return { room, ordered: placed, edges, firstOrd, known }
}

/** Where events that come before `above` go: below all others, or into the gap that was left below it. */
async function placeFor(
  conn: Conn,
  room: Room,
  above: number,
  count: number,
): Promise<{ firstOrd: number; free: number }> {
  const below = above === Infinity ? undefined : await findOrdBelow(conn, room.nid, above)
  if (below === undefined) return { firstOrd: Math.min(room.nextBackOrd, above - 1) - count + 1, free: count }
  const free = Math.min(count, above - below - 1)
  return { firstOrd: above - free, free }
}

async function statesAtEdges(
  deps: Deps,
  { room, edges }: HistoryPlan,
  origin: ServerName,
  allowance: Allowance,
): Promise<Map<EventId, GivenState>> {
  const given = new Map<EventId, GivenState>()
  for (const { eventId, prevEventIds } of edges) {
    if (prevEventIds.length === 0 || !allowance.spend()) continue
    try {
      given.set(eventId, await stateAtEdge(deps, room, origin, eventId, allowance))
    } catch (error) {
      deps.log.debug('the state of history could not be had', {
        roomId: room.id,
        error: error instanceof Error ? error.name : '',
      })
    }
  }
  return given
}

/** Ids first: nearly all events of an older state are stored already. */
async function stateAtEdge(
  deps: Deps,
  room: Room,
  origin: ServerName,
  eventId: EventId,
  allowance: Allowance,
): Promise<GivenState> {
  const { pduIds, authChainIds } = await deps.federation.getStateIds(origin, room.id, eventId)
  const all = [...new Set([...authChainIds, ...pduIds])]
  const missing = await deps.database.read(async (conn) => {
    const known = await listKnownEvents(conn, all)
    return all.filter((id) => !known.has(id))
  })
  if (missing.length > mostSingles) {
    if (!allowance.spend()) throw new Error('no call is left for the state')
    return fetchState(deps, room, origin, eventId)
  }
  const pdus = []
  for (const id of missing) if (allowance.spend()) pdus.push(await deps.federation.getEvent(origin, id))
  if (pdus.length > 0) await storeOutliers(deps, room, await checkFetched(deps, room, pdus))
  return stateOfIds(deps, room, pduIds)
}
