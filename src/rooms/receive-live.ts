import type { RoomEvent } from '../protocol/event.ts'
import type { EventId, RoomId, ServerName } from '../protocol/ids.ts'
import { isUniqueViolation } from '../store/errors.ts'
import { Stale } from '../store/errors.ts'
import { listKnownEvents } from '../store/events.ts'
import { room as roomLock } from '../store/locks.ts'
import { withRetries } from '../store/retries.ts'
import { deleteStaged } from '../store/staged.ts'
import type { AppendDeps } from './append.ts'
import type { RoomsDeps } from './deps.ts'
import type { FetchDeps } from './fetch.ts'
import { fillGaps } from './fetch.ts'
import type { Candidate, GivenState } from './live.ts'
import { judgeAndAppend } from './live.ts'
import { resolveGroups } from './resolve.ts'
import { allEdges, inOrder } from './topological.ts'
import type { ReceivedVerdict } from './verdict.ts'

export type LiveDeps = AppendDeps & FetchDeps & Pick<RoomsDeps, 'log'>

// about 15 statements each: more of them would let no turn of the event loop run
const chunkSize = 12
const mostTries = 5

/**
 * Judges and stores events of a room in its timeline, with those that are fetched because they are missing. They have
 * passed signatures and content hash. Gives a verdict for each of `events`.
 */
export async function receiveLive(
  deps: LiveDeps,
  roomId: RoomId,
  origin: ServerName,
  events: readonly RoomEvent[],
  options: { readonly isStaged: boolean; readonly isForwarded?: boolean },
): Promise<Map<EventId, ReceivedVerdict>> {
  const verdicts = new Map<EventId, ReceivedVerdict>()
  const fresh = await withoutKnown(deps, events, verdicts)
  const { fetched, given } = await fillGaps(deps, roomId, origin, fresh)
  const ordered = inOrder([...fetched, ...fresh], allEdges)
  await resolveAhead(deps, roomId, ordered)
  for (let start = 0; start < ordered.length; start += chunkSize) {
    const chunk = ordered.slice(start, start + chunkSize)
    for (const verdict of await appendChunk(deps, roomId, chunk, given, options))
      if (verdict.eventId !== undefined) verdicts.set(verdict.eventId, verdict)
  }
  if (options.isStaged) {
    const left = events.map(({ eventId }) => eventId).filter((eventId) => !ordered.some((event) => event.eventId === eventId))
    if (left.length > 0) await deps.database.write((tx) => deleteStaged(tx, roomId, left))
  }
  for (const { eventId } of events)
    if (!verdicts.has(eventId)) verdicts.set(eventId, { eventId, verdict: 'refused', error: 'part of a cycle' })
  return verdicts
}

async function withoutKnown(
  deps: LiveDeps,
  events: readonly RoomEvent[],
  verdicts: Map<EventId, ReceivedVerdict>,
): Promise<RoomEvent[]> {
  const known = await deps.database.read((conn) =>
    listKnownEvents(
      conn,
      events.map(({ eventId }) => eventId),
    ),
  )
  return events.filter(({ eventId }) => {
    const row = known.get(eventId)
    if (row === undefined || row.outlier) return true
    verdicts.set(
      eventId,
      row.rejected === null ? { eventId, verdict: 'duplicate' } : { eventId, verdict: 'rejected', error: row.rejected },
    )
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
      const groups = rows.filter((row) => row.roomNid === room.nid && row.stateAfter !== null).map((row) => row.stateAfter ?? 0)
      if (groups.length === prevEventIds.length && new Set(groups).size > 1) await resolveGroups(deps, conn, room, groups)
    }
  })
}

async function appendChunk(
  deps: LiveDeps,
  roomId: RoomId,
  chunk: readonly RoomEvent[],
  given: ReadonlyMap<EventId, GivenState>,
  options: { readonly isStaged: boolean; readonly isForwarded?: boolean },
): Promise<ReceivedVerdict[]> {
  const { isStaged, isForwarded } = options
  const candidates = chunk.map((event): Candidate => ({ event, arrival: 'live', given: given.get(event.eventId), isForwarded }))
  const ids = isStaged ? chunk.map(({ eventId }) => eventId) : []
  try {
    return await appendAll(deps, roomId, candidates, ids)
  } catch (error) {
    if (candidates.length === 1) return giveUp(deps, roomId, chunk, isStaged, error)
    deps.log.warn('a chunk of events failed, each is tried alone', { roomId, events: chunk.length })
  }
  const verdicts: ReceivedVerdict[] = []
  for (const event of chunk) verdicts.push(...(await appendChunk(deps, roomId, [event], given, options)))
  return verdicts
}

/** One event that cannot be stored never fails its neighbours. */
async function giveUp(
  deps: LiveDeps,
  roomId: RoomId,
  chunk: readonly RoomEvent[],
  isStaged: boolean,
  error: unknown,
): Promise<ReceivedVerdict[]> {
  // the database cannot work now: what is staged is judged later
  if (error instanceof Error && 'status' in error && error.status === 503) throw error
  deps.log.error('an event could not be judged', { roomId, error })
  const ids = chunk.map(({ eventId }) => eventId)
  if (isStaged) await deps.database.write((tx) => deleteStaged(tx, roomId, ids))
  return ids.map((eventId) => ({ eventId, verdict: 'refused', error: 'internal error' }))
}

/** Judges and stores candidates, one after the other, in one write. */
export async function appendAll(
  deps: AppendDeps & Pick<RoomsDeps, 'database'>,
  roomId: RoomId,
  candidates: readonly Candidate[],
  stagedIds: readonly EventId[] = [],
): Promise<ReceivedVerdict[]> {
  const { nid } = await deps.database.read((conn) => deps.roomCache.get(conn, roomId))
  return withRetries(mostTries, () =>
    deps.database
      .write(
        async (tx) => {
          let room = await deps.roomCache.forWrite(tx, roomId)
          const verdicts: ReceivedVerdict[] = []
          for (const candidate of candidates) {
            const judged = await judgeAndAppend(tx, deps, room, candidate)
            room = judged.room
            verdicts.push(judged.verdict)
          }
          await deleteStaged(tx, roomId, stagedIds)
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
