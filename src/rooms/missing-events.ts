import type { EventId } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import type { EventRow } from '../store/events.ts'
import { loadEventsByIds } from './events.ts'
import type { Room } from './room.ts'

interface Walked {
  readonly row: EventRow
  readonly prevEventIds: readonly EventId[]
}

/** The stored ones of these events that are part of the room's graph. */
async function load(conn: Conn, room: Room, eventIds: readonly EventId[]): Promise<Walked[]> {
  const found = await loadEventsByIds(conn, room, eventIds)
  return [...found.values()]
    .filter(({ row }) => !row.outlier && row.rejected === null)
    .map(({ row, event }) => ({ row, prevEventIds: event.prevEventIds }))
}

/**
 * Row ids of the events that lead from `latest`, without them, back to `earliest`, without them, at most `limit`,
 * oldest first: what `/get_missing_events` serves. Who may see them is asked elsewhere.
 */
export async function missingEventsFor(
  conn: Conn,
  room: Room,
  asked: {
    readonly earliest: readonly EventId[]
    readonly latest: readonly EventId[]
    readonly limit: number
    readonly minDepth: number
  },
): Promise<number[]> {
  const seen = new Set<EventId>([...asked.earliest, ...asked.latest])
  const found: number[] = []
  let level = (await load(conn, room, asked.latest)).flatMap(({ prevEventIds }) => prevEventIds)
  while (level.length > 0 && found.length < asked.limit) {
    const wanted = [...new Set(level)].filter((id) => !seen.has(id))
    for (const id of wanted) seen.add(id)
    const events = (await load(conn, room, wanted)).filter(({ row }) => row.depth >= asked.minDepth)
    for (const { row } of events) if (found.length < asked.limit) found.push(row.event_nid)
    level = events.flatMap(({ prevEventIds }) => prevEventIds)
  }
  return found.reverse()
}

/**
 * Row ids of these events and of those before them, at most `limit`, newest first: what `/backfill` serves. Who may see
 * them is asked elsewhere.
 */
export async function backfillPage(
  conn: Conn,
  room: Room,
  eventIds: readonly EventId[],
  limit: number,
): Promise<number[]> {
  const found: number[] = []
  const waiting = new Map<EventId, Walked>()
  const seen = new Set<EventId>()
  const admit = async (ids: readonly EventId[]) => {
    const fresh = ids.filter((id) => !seen.has(id))
    for (const id of fresh) seen.add(id)
    if (fresh.length > 0)
      for (const walked of await load(conn, room, fresh)) waiting.set(walked.row.event_id as EventId, walked)
  }
  await admit(eventIds)
  while (waiting.size > 0 && found.length < limit) {
    let deepest: Walked | undefined
    for (const walked of waiting.values())
      if (deepest === undefined || isNewer(walked.row, deepest.row)) deepest = walked
    if (deepest === undefined) break
    waiting.delete(deepest.row.event_id as EventId)
    found.push(deepest.row.event_nid)
    await admit(deepest.prevEventIds)
  }
  return found
}

function isNewer(a: EventRow, b: EventRow): boolean {
  return a.depth === b.depth ? (a.ord ?? 0) > (b.ord ?? 0) : a.depth > b.depth
}
