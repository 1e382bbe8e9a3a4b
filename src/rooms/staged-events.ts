import type { RoomEvent } from '../protocol/event.ts'
import type { EventId, RoomId, ServerName } from '../protocol/ids.ts'
import { eventJsonMode, parseJson } from '../protocol/json.ts'
import { isHostJoined } from '../store/room-hosts.ts'
import { findServerNid, putServer, serverNameOfNid } from '../store/servers.ts'
import type { StagedRow } from '../store/staged.ts'
import { countStaged, deleteStaged, insertStaged, listStaged, listStagedRooms } from '../store/staged.ts'
import { checkShape } from './checks/shape.ts'
import type { LiveDeps } from './receive-live.ts'
import { receiveLive } from './receive-live.ts'
import type { Room } from './room.ts'
import type { ReceivedVerdict } from './verdict.ts'
import { verified } from './verified.ts'

/** How long the answer to `/send` waits for its PDUs to be judged. */
const longestWaitMs = 15_000
/** Of one server in one room, so many events may wait for others that nobody gives. */
const mostIncomplete = 50
const oldestMs = 24 * 3_600_000

/** Runs what one server sent for one room, one after the other. */
export function inQueue<T>(deps: LiveDeps, roomId: RoomId, origin: ServerName, fn: () => Promise<T>): Promise<T> {
  return deps.roomCache.queues.run(`${origin} ${roomId}`, fn)
}

/**
 * Judges what came by `/send`. What takes too long is kept durably before it is answered, and judged all the same; so is
 * what names events that cannot be had now.
 */
export async function receiveSent(
  deps: LiveDeps,
  origin: ServerName,
  room: Room,
  events: readonly RoomEvent[],
): Promise<ReadonlyMap<EventId, ReceivedVerdict>> {
  if (events.length === 0) return new Map()
  const judged = inQueue(deps, room.id, origin, async () => {
    const verdicts = await judge(deps, room.id, origin, events)
    await keepIncomplete(deps, room.id, origin, events, verdicts)
    return verdicts
  })
  const waiting = new AbortController()
  const late = deps.clock.sleep(longestWaitMs, waiting.signal).then(
    () => stage(deps, origin, room.id, events, judged),
    () => new Map<EventId, ReceivedVerdict>(),
  )
  return Promise.race([judged, late]).finally(() => waiting.abort())
}

function judge(
  deps: LiveDeps,
  roomId: RoomId,
  asked: ServerName,
  events: readonly RoomEvent[],
): Promise<Map<EventId, ReceivedVerdict>> {
  const isPatient = deps.waiting !== undefined
  return verified(deps, events, (passed) => receiveLive(deps, roomId, asked, passed, { isPatient }))
}

async function stage(
  deps: LiveDeps,
  origin: ServerName,
  roomId: RoomId,
  events: readonly RoomEvent[],
  judged: Promise<ReadonlyMap<EventId, ReceivedVerdict>>,
): Promise<Map<EventId, ReceivedVerdict>> {
  await putStaged(deps, origin, roomId, events)
  deps.failpoint?.('inbound:staged')
  judged.then(
    (verdicts) => unstage(deps, roomId, decidedOf(deps, events, verdicts)),
    (error: unknown) => deps.log.warn('staged events wait for the next start', { roomId, error }),
  )
  return new Map(events.map(({ eventId }) => [eventId, { eventId, verdict: 'staged' }]))
}

async function putStaged(
  deps: LiveDeps,
  origin: ServerName,
  roomId: RoomId,
  events: readonly RoomEvent[],
  most = Infinity,
): Promise<void> {
  await deps.database.write(async (tx) => {
    const originNid = await putServer(tx, origin)
    const receivedTs = deps.clock.now()
    const free = most === Infinity ? most : most - (await countStaged(tx, roomId, originNid))
    const kept = events.slice(0, Math.max(0, free))
    const rows = kept.map(({ eventId, sender, text }) => ({
      originNid,
      roomId,
      eventId,
      sender,
      json: text,
      receivedTs,
    }))
    await insertStaged(tx, rows)
  })
}

const isWaiting = (verdict: ReceivedVerdict | undefined): boolean => verdict?.isIncomplete === true

function decidedOf(
  deps: LiveDeps,
  events: readonly RoomEvent[],
  verdicts: ReadonlyMap<EventId, ReceivedVerdict>,
): RoomEvent[] {
  return deps.waiting === undefined ? [...events] : events.filter(({ eventId }) => !isWaiting(verdicts.get(eventId)))
}

/** What names events that are not to be had now is kept, and they are asked for again: their sender has done its part. */
async function keepIncomplete(
  deps: LiveDeps,
  roomId: RoomId,
  origin: ServerName,
  events: readonly RoomEvent[],
  verdicts: ReadonlyMap<EventId, ReceivedVerdict>,
): Promise<void> {
  const incomplete = events.filter(({ eventId }) => isWaiting(verdicts.get(eventId)))
  if (incomplete.length === 0 || deps.waiting === undefined) return
  await putStaged(deps, origin, roomId, incomplete, mostIncomplete)
  deps.waiting.add(roomId, origin)
}

async function unstage(deps: LiveDeps, roomId: RoomId, events: readonly RoomEvent[]): Promise<void> {
  const ids = events.map(({ eventId }) => eventId)
  deps.failpoint?.('inbound:unstaging')
  try {
    await deps.database.write((tx) => deleteStaged(tx, roomId, ids))
  } catch (error) {
    deps.log.warn('staged events are judged again at the next start', { roomId, error })
  }
}

/** Judges what a crash or a stop left staged. Called once at start; resolves when all of it was judged. */
export async function resumeStaged(deps: LiveDeps): Promise<void> {
  const rooms = await deps.database.read((conn) => listStagedRooms(conn))
  for (const roomId of rooms) {
    try {
      const staged = await deps.database.read((conn) => listStaged(conn, roomId))
      for (const originNid of new Set(staged.map((row) => row.origin_nid))) {
        const origin = await deps.database.read((conn) => serverNameOfNid(conn, originNid))
        const { left } = await judgeStaged(deps, roomId, origin, () => Promise.resolve([origin]))
        if (left > 0) deps.waiting?.add(roomId, origin)
      }
    } catch (error) {
      deps.log.error('staged events of a room could not be judged', { roomId, error })
    }
  }
}

/** What a round of judging left. */
export interface StagedRound {
  /** so many wait still */
  readonly left: number
  /** somebody who was asked for what is missing did not answer */
  readonly isUnanswered: boolean
}

/**
 * Judges what waits of one server in one room, asking other servers for what is missing, one after the other; `serversFor`
 * chooses them. What is decided then, too old, or of a room that this server has left, does not wait any more.
 */
export async function judgeStaged(
  deps: LiveDeps,
  roomId: RoomId,
  origin: ServerName,
  serversFor: (room: Room, events: readonly RoomEvent[]) => Promise<readonly ServerName[]>,
): Promise<StagedRound> {
  const { room, rows } = await deps.database.read(async (conn) => {
    const originNid = await findServerNid(conn, origin)
    const known = await deps.roomCache.find(conn, roomId)
    const ours = await findServerNid(conn, deps.serverName)
    const isInside = known !== undefined && ours !== undefined && (await isHostJoined(conn, known.nid, ours))
    const staged = (await listStaged(conn, roomId)).filter((row) => row.origin_nid === originNid)
    return { room: isInside ? known : undefined, rows: staged }
  })
  const parsed = room === undefined ? [] : eventsOf(room, rows)
  const useless = rows
    .map((row) => row.event_id as EventId)
    .filter((id) => !parsed.some(({ eventId }) => eventId === id))
  if (useless.length > 0) await deps.database.write((tx) => deleteStaged(tx, roomId, useless))
  if (room === undefined || parsed.length === 0) return { left: 0, isUnanswered: false }
  let events: RoomEvent[] = parsed
  let isUnanswered = false
  for (const server of await serversFor(room, parsed)) {
    const verdicts = await judge(deps, roomId, server, events)
    const decided = decidedOf(deps, events, verdicts)
    if (decided.length > 0) await unstage(deps, roomId, decided)
    isUnanswered ||= [...verdicts.values()].some((verdict) => verdict.isUnanswered === true)
    events = events.filter((event) => !decided.includes(event))
    if (events.length === 0) break
  }
  const oldestTs = deps.clock.now() - oldestMs
  const isOld = ({ eventId }: RoomEvent) => rows.some((row) => row.event_id === eventId && row.received_ts < oldestTs)
  const old = deps.waiting === undefined ? [] : events.filter(isOld)
  if (old.length > 0) await unstage(deps, roomId, old)
  return { left: events.length - old.length, isUnanswered }
}

/** Nobody who might know what these events name has it: they are given up. */
export async function dropStaged(deps: LiveDeps, roomId: RoomId, origin: ServerName): Promise<void> {
  await deps.database.write(async (tx) => {
    const originNid = await findServerNid(tx, origin)
    const rows = (await listStaged(tx, roomId)).filter((row) => row.origin_nid === originNid)
    const ids = rows.map((row) => row.event_id as EventId)
    await deleteStaged(tx, roomId, ids)
  })
}

function eventsOf(room: Room, rows: readonly StagedRow[]): RoomEvent[] {
  return rows
    .map((row) => checkShape(room.version, room.id, parseJson(row.json, { mode: eventJsonMode(room.version) })))
    .filter((event) => typeof event !== 'string')
}
