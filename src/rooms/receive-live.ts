import type { RoomEvent } from '../protocol/event.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { EventId, RoomId, ServerName } from '../protocol/ids.ts'
import { Stale, isUniqueViolation } from '../store/errors.ts'
import { listKnownEvents } from '../store/events.ts'
import { room as roomLock } from '../store/locks.ts'
import { withRetries } from '../store/retries.ts'
import type { AppendDeps } from './append.ts'
import type { RoomsDeps } from './deps.ts'
import { loadEventsByIds } from './events.ts'
import type { FetchDeps } from './fetch.ts'
import { fillEdges, fillGaps } from './fetch.ts'
import type { Candidate } from './live.ts'
import { anotherEvent, isSameEvent, judgeAndAppend, knownVerdict } from './live.ts'
import { resolveGroups } from './resolve.ts'
import type { Room } from './room.ts'
import { allEdges, inOrder } from './topological.ts'
import type { ReceivedVerdict } from './verdict.ts'

export type LiveDeps = AppendDeps & FetchDeps & Pick<RoomsDeps, 'log' | 'failpoint' | 'waiting'>

// about 15 statements each: more of them would let no turn of the event loop run
const chunkSize = 12
const mostTries = 5

/** What a door asks for. */
export interface LiveOptions {
  /** The other servers of the room get these events from us: they came by a handshake. */
  readonly isForwarded?: boolean
  /** What somebody who does not answer would have to give is asked for again later: nothing stands in for it. */
  readonly isPatient?: boolean
}

/**
 * Judges and stores events of a room in its timeline, with those that are fetched because they are missing. They have
 * passed signatures and content hash. Gives a verdict for each of `events`.
 */
export async function receiveLive(
  deps: LiveDeps,
  roomId: RoomId,
  origin: ServerName,
  events: readonly RoomEvent[],
  options: LiveOptions = {},
): Promise<Map<EventId, ReceivedVerdict>> {
  const verdicts = new Map<EventId, ReceivedVerdict>()
  const fresh = await withoutKnown(deps, roomId, events, verdicts)
  const { fetched, given, allowance } = await fillGaps(deps, roomId, origin, fresh, options.isPatient)
  const ordered = inOrder([...fetched, ...fresh], allEdges)
  await resolveAhead(deps, roomId, ordered)
  const forwarded = new Set(options.isForwarded === true ? fresh.map(({ eventId }) => eventId) : [])
  const candidates = ordered.map((event): Candidate => ({
    event,
    arrival: 'live',
    given: given.get(event.eventId),
    isForwarded: forwarded.has(event.eventId),
  }))
  for (const verdict of await appendInChunks(deps, roomId, candidates)) verdicts.set(verdict.eventId, verdict)
  const incomplete = candidates.filter(({ event }) => verdicts.get(event.eventId)?.isIncomplete === true)
  if (incomplete.length > 0 && allowance.left > 0 && !(options.isPatient === true && allowance.failures > 0)) {
    const more = await fillEdges(
      deps,
      roomId,
      origin,
      incomplete.map(({ event }) => event),
      allowance,
    )
    const again = incomplete.map((candidate) => ({ ...candidate, given: more.get(candidate.event.eventId) }))
    for (const verdict of await appendInChunks(deps, roomId, again)) verdicts.set(verdict.eventId, verdict)
  }
  const isUnanswered = allowance.failures > 0
  for (const [eventId, verdict] of verdicts)
    if (verdict.isIncomplete === true) verdicts.set(eventId, { ...verdict, isUnanswered })
  for (const { eventId } of events)
    if (!verdicts.has(eventId)) verdicts.set(eventId, { eventId, verdict: 'refused', error: 'part of a cycle' })
  return verdicts
}

async function appendInChunks(
  deps: LiveDeps,
  roomId: RoomId,
  candidates: readonly Candidate[],
): Promise<readonly (ReceivedVerdict & { readonly eventId: EventId })[]> {
  const chunks: Candidate[][] = []
  for (let start = 0; start < candidates.length; start += chunkSize)
    chunks.push(candidates.slice(start, start + chunkSize))
  const { id, nid } = await deps.database.read((conn) => deps.roomCache.get(conn, roomId))
  const place = { id, nid }
  // all at once: they are written one after the other, and synced together; nothing is waited for before a write is
  // queued, or a later chunk would be judged before the one that it builds on
  const written = await Promise.all(chunks.map((chunk) => appendChunk(deps, place, chunk)))
  const isWhole = written.every((done) => done !== undefined)
  const verdicts = isWhole ? written.flat() : await appendEach(deps, place, candidates)
  return verdicts.flatMap((verdict) =>
    verdict?.eventId === undefined ? [] : [{ ...verdict, eventId: verdict.eventId }],
  )
}

async function withoutKnown(
  deps: LiveDeps,
  roomId: RoomId,
  events: readonly RoomEvent[],
  verdicts: Map<EventId, ReceivedVerdict>,
): Promise<RoomEvent[]> {
  const { known, stored } = await deps.database.read(async (conn) => {
    const ids = events.map(({ eventId }) => eventId)
    const rows = await listKnownEvents(conn, ids)
    // Before version 3 the origin chooses the id: another event may come under one that is taken.
    const isChosen = rows.size > 0 && events[0]?.version.eventIdFormat === 'origin'
    const same = isChosen ? await loadEventsByIds(conn, await deps.roomCache.get(conn, roomId), ids) : undefined
    return { known: rows, stored: same }
  })
  return events.filter((event) => {
    const { eventId } = event
    const row = known.get(eventId)
    if (row === undefined || row.outlier) return true
    const isAnother = stored !== undefined && !isSameEvent(stored.get(eventId)?.event, event)
    verdicts.set(eventId, isAnother ? { eventId, verdict: 'refused', error: anotherEvent } : knownVerdict(row))
    return false
  })
}

/** Resolves what can be resolved already outside the write, which then finds it in memory. */
async function resolveAhead(deps: LiveDeps, roomId: RoomId, events: readonly RoomEvent[]): Promise<void> {
  const forks = events.filter(({ prevEventIds }) => prevEventIds.length > 1)
  if (forks.length === 0) return
  await deps.database.read(async (conn) => {
    const room = await deps.roomCache.find(conn, roomId)
    if (room === undefined) return
    for (const { prevEventIds } of forks) {
      const rows = [...(await listKnownEvents(conn, prevEventIds)).values()]
      const groups = rows
        .filter((row) => row.roomNid === room.nid && row.stateAfter !== null)
        .map((row) => row.stateAfter ?? 0)
      if (groups.length === prevEventIds.length && new Set(groups).size > 1)
        await resolveGroups(deps, conn, room, groups)
    }
  })
}

/** A room by its id and row. */
type RoomPlace = Pick<Room, 'id' | 'nid'>

/** The verdicts on a chunk; undefined where it could not be written as a whole. */
async function appendChunk(
  deps: LiveDeps,
  room: RoomPlace,
  chunk: readonly Candidate[],
): Promise<ReceivedVerdict[] | undefined> {
  try {
    return await appendAll(deps, room, chunk)
  } catch (error) {
    // the database cannot work now: nothing is decided
    if (error instanceof MatrixError && error.status === 503) throw error
    deps.log.error('events could not be judged', { roomId: room.id, events: chunk.length, error })
    return undefined
  }
}

/** One by one: an event that cannot be stored never fails its neighbours. */
async function appendEach(
  deps: LiveDeps,
  room: RoomPlace,
  candidates: readonly Candidate[],
): Promise<ReceivedVerdict[]> {
  const verdicts: ReceivedVerdict[] = []
  for (const candidate of candidates) {
    const internal: ReceivedVerdict = { eventId: candidate.event.eventId, verdict: 'refused', error: 'internal error' }
    verdicts.push(...((await appendChunk(deps, room, [candidate])) ?? [internal]))
  }
  return verdicts
}

/** Judges and stores candidates, one after the other, in one write, which is queued at once. */
export async function appendAll(
  deps: AppendDeps & Pick<RoomsDeps, 'database' | 'failpoint'>,
  { id, nid }: RoomPlace,
  candidates: readonly Candidate[],
): Promise<ReceivedVerdict[]> {
  return withRetries(mostTries, () =>
    deps.database
      .write(
        async (tx) => {
          let room = await deps.roomCache.forWrite(tx, id)
          const verdicts: ReceivedVerdict[] = []
          for (const candidate of candidates) {
            const judged = await judgeAndAppend(tx, deps, room, candidate)
            room = judged.room
            verdicts.push(judged.verdict)
            deps.failpoint?.('inbound:appended')
          }
          return verdicts
        },
        { locks: [roomLock(nid)] },
      )
      .catch((error: unknown) => {
        // another process stored the same event: judged again, it is a duplicate
        throw isUniqueViolation(error) ? new Stale('an event was stored meanwhile') : error
      }),
  )
}
