import type { RoomEvent } from '../protocol/event.ts'
import type { EventId, RoomId, ServerName } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { Json } from '../protocol/json-types.ts'
import { parseJson, eventJsonMode } from '../protocol/json.ts'
import { isHostJoined } from '../store/room-hosts.ts'
import { findServerNid, putServer, serverNameOfNid } from '../store/servers.ts'
import { deleteStaged, insertStaged, listStaged, listStagedRooms } from '../store/staged.ts'
import { redactUnlessHashed } from './checks/content-hash.ts'
import { isAllowedByAcl } from './checks/server-acl.ts'
import { checkShape, claimedRoom } from './checks/shape.ts'
import { checkSignatures } from './checks/signatures.ts'
import type { LiveDeps } from './receive-live.ts'
import { receiveLive } from './receive-live.ts'
import { receiveHistory } from './receive-history.ts'
import { storeOutliers } from './outliers.ts'
import type { Room } from './room.ts'
import type { ReceivedVerdict } from './verdict.ts'

export type { ReceivedVerdict } from './verdict.ts'

/** How an event of another server comes in. */
export type Door =
  | 'send'
  | 'send_join'
  | 'send_leave'
  | 'send_knock'
  | 'invite'
  | 'backfill'
  | 'missing_events'
  | 'state'
  | 'event_auth'
  | 'event'
  | 'join_response'

/** PDUs that came in by one door from one server. */
export interface Received {
  readonly door: Door
  readonly origin: ServerName
  /** The room that all of them must be of; without it each PDU's own `room_id` says it. */
  readonly roomId?: RoomId | undefined
  /** Parsed in mode `spelled` or `strict`. */
  readonly pdus: readonly Json[]
}

/** How long the answer to `/send` waits for its PDUs to be judged. */
const longestWaitMs = 15_000

/** Doors by which events come that are not part of the timeline by that. */
const outlierDoors: ReadonlySet<Door> = new Set<Door>(['state', 'event_auth', 'event', 'join_response'])

/** Doors by which other servers hand us events that we pass on to the rest of the room. */
const handshakeDoors: ReadonlySet<Door> = new Set<Door>(['send_join', 'send_leave', 'send_knock'])

/**
 * The one gate for every event of another server: "Checks performed on receipt of a PDU" (server-server API), in their
 * order, whichever door it comes by. Gives a verdict for each PDU, in their order; one bad PDU never fails another, and
 * nothing is thrown but where the database cannot work. What comes by `/send` and takes long to judge is kept durably,
 * answered as `staged`, and judged all the same, after a crash too.
 */
export async function receive(deps: LiveDeps, received: Received): Promise<ReceivedVerdict[]> {
  const { door, origin, pdus } = received
  const verdicts: (ReceivedVerdict | undefined)[] = pdus.map(() => undefined)
  const byRoom = new Map<RoomId, number[]>()
  for (const [i, pdu] of pdus.entries()) {
    const roomId = received.roomId ?? claimedRoom(pdu)
    if (roomId === undefined) verdicts[i] = refused('it names no room')
    else byRoom.set(roomId, [...(byRoom.get(roomId) ?? []), i])
  }
  await Promise.all(
    [...byRoom].map(async ([roomId, indices]) => {
      const ofRoom = await receiveOfRoom(
        deps,
        door,
        origin,
        roomId,
        indices.map((i) => pdus[i] as Json),
      )
      for (const [k, i] of indices.entries()) verdicts[i] = ofRoom[k] ?? refused('internal error')
    }),
  )
  return verdicts.map((verdict) => verdict ?? refused('internal error'))
}

function refused(error: string, eventId?: EventId): ReceivedVerdict {
  return { ...(eventId === undefined ? {} : { eventId }), verdict: 'refused', error }
}

async function receiveOfRoom(
  deps: LiveDeps,
  door: Door,
  origin: ServerName,
  roomId: RoomId,
  pdus: readonly Json[],
): Promise<ReceivedVerdict[]> {
  const refusal = await refusalOfRoom(deps, door, origin, roomId)
  const room = typeof refusal === 'string' ? undefined : refusal
  const isHistory = door === 'backfill'
  const parsed = pdus.map((pdu) => (room === undefined ? undefined : checkShape(room.version, room.id, pdu, isHistory)))
  const events = new Map<EventId, RoomEvent>()
  for (const event of parsed) if (typeof event === 'object') events.set(event.eventId, event)
  const judged: ReadonlyMap<EventId, ReceivedVerdict> =
    room === undefined ? new Map() : await judge(deps, door, origin, room, [...events.values()])
  for (const event of events.values()) warnOfOurName(deps, event, judged.get(event.eventId))
  return parsed.map((event) => {
    if (typeof refusal === 'string') return refused(refusal)
    if (typeof event !== 'object') return refused(event ?? 'not an event')
    return judged.get(event.eventId) ?? refused('internal error', event.eventId)
  })
}

/** New to us, signed with our key, and not made by us: a restored backup, a second server of our name, or a stolen key. */
function warnOfOurName(deps: LiveDeps, event: RoomEvent, verdict: ReceivedVerdict | undefined): void {
  if (serverNameOf(event.sender) !== deps.serverName || verdict?.verdict !== 'accepted') return
  const ageMs = deps.clock.now() - event.originServerTs
  deps.log.warn('an event in the name of this server came from another', { eventId: event.eventId, ageMs })
}

/** The room, or why nothing of it is taken from this server. */
async function refusalOfRoom(deps: LiveDeps, door: Door, origin: ServerName, roomId: RoomId): Promise<Room | string> {
  return deps.database.read(async (conn) => {
    const room = await deps.roomCache.find(conn, roomId)
    if (room === undefined) return 'the room is not known'
    if (outlierDoors.has(door) || door === 'backfill' || door === 'missing_events') return room
    const ours = await findServerNid(conn, deps.serverName)
    if (ours === undefined || !(await isHostJoined(conn, room.nid, ours))) return 'this server is not in the room'
    return (await isAllowedByAcl(deps, conn, room, origin)) ? room : 'the server is denied by the ACL of the room'
  })
}

async function judge(
  deps: LiveDeps,
  door: Door,
  origin: ServerName,
  room: Room,
  events: readonly RoomEvent[],
): Promise<ReadonlyMap<EventId, ReceivedVerdict>> {
  if (door === 'send') return receiveSent(deps, origin, room, events)
  return verified(deps, events, (passed) => {
    if (outlierDoors.has(door)) return storeOutliers(deps, room, passed)
    if (door === 'backfill') return receiveHistory(deps, room.id, origin, passed)
    return inQueue(deps, room.id, origin, () =>
      receiveLive(deps, room.id, origin, passed, { isForwarded: handshakeDoors.has(door) }),
    )
  })
}

/** Checks 2 and 3, then `go` with what passed. */
async function verified(
  deps: LiveDeps,
  events: readonly RoomEvent[],
  go: (passed: RoomEvent[]) => Promise<Map<EventId, ReceivedVerdict>>,
): Promise<Map<EventId, ReceivedVerdict>> {
  const { passed, refusals } = await checkSignatures(deps, events)
  const verdicts = await go(passed.map(redactUnlessHashed))
  for (const [eventId, error] of refusals) verdicts.set(eventId, refused(error, eventId))
  return verdicts
}

function inQueue<T>(deps: LiveDeps, roomId: RoomId, origin: ServerName, fn: () => Promise<T>): Promise<T> {
  return deps.roomCache.queues.run(`${origin} ${roomId}`, fn)
}

/** Judges what came by `/send`. What takes too long is kept durably before it is answered, and judged all the same. */
async function receiveSent(
  deps: LiveDeps,
  origin: ServerName,
  room: Room,
  events: readonly RoomEvent[],
): Promise<ReadonlyMap<EventId, ReceivedVerdict>> {
  if (events.length === 0) return new Map()
  const judged = inQueue(deps, room.id, origin, () =>
    verified(deps, events, (passed) => receiveLive(deps, room.id, origin, passed)),
  )
  const waiting = new AbortController()
  const late = deps.clock.sleep(longestWaitMs, waiting.signal).then(
    () => stage(deps, origin, room, events, judged),
    () => new Map<EventId, ReceivedVerdict>(),
  )
  return Promise.race([judged, late]).finally(() => waiting.abort())
}

async function stage(
  deps: LiveDeps,
  origin: ServerName,
  room: Room,
  events: readonly RoomEvent[],
  judged: Promise<unknown>,
): Promise<Map<EventId, ReceivedVerdict>> {
  await deps.database.write(async (tx) => {
    const originNid = await putServer(tx, origin)
    const receivedTs = deps.clock.now()
    await insertStaged(
      tx,
      events.map(({ eventId, sender, text }) => ({
        originNid,
        roomId: room.id,
        eventId,
        sender,
        json: text,
        receivedTs,
      })),
    )
  })
  deps.failpoint?.('inbound:staged')
  judged.then(
    () => unstage(deps, room.id, events),
    (error: unknown) => deps.log.warn('staged events wait for the next start', { roomId: room.id, error }),
  )
  return new Map(events.map(({ eventId }) => [eventId, { eventId, verdict: 'staged' }]))
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

/** Judges what a crash or a stop left staged. Called once at start; resolves when all of it is judged. */
export async function resumeStaged(deps: LiveDeps): Promise<void> {
  const rooms = await deps.database.read((conn) => listStagedRooms(conn))
  for (const roomId of rooms) {
    try {
      await resumeRoom(deps, roomId)
    } catch (error) {
      deps.log.error('staged events of a room could not be judged', { roomId, error })
    }
  }
}

async function resumeRoom(deps: LiveDeps, roomId: RoomId): Promise<void> {
  const { room, rows, names } = await deps.database.read(async (conn) => {
    const staged = await listStaged(conn, roomId)
    const origins = new Map<number, ServerName>()
    for (const { origin_nid: nid } of staged) if (!origins.has(nid)) origins.set(nid, await serverNameOfNid(conn, nid))
    return { room: await deps.roomCache.find(conn, roomId), rows: staged, names: origins }
  })
  const byOrigin = new Map<ServerName, RoomEvent[]>()
  const useless: EventId[] = []
  for (const row of rows) {
    const pdu = room === undefined ? undefined : parseJson(row.json, { mode: eventJsonMode(room.version) })
    const event = room === undefined || pdu === undefined ? 'the room is gone' : checkShape(room.version, room.id, pdu)
    const origin = names.get(row.origin_nid)
    if (typeof event === 'string' || origin === undefined) useless.push(row.event_id as EventId)
    else byOrigin.set(origin, [...(byOrigin.get(origin) ?? []), event])
  }
  if (useless.length > 0) await deps.database.write((tx) => deleteStaged(tx, roomId, useless))
  for (const [origin, events] of byOrigin) {
    await inQueue(deps, roomId, origin, () =>
      verified(deps, events, (passed) => receiveLive(deps, roomId, origin, passed)),
    )
    await unstage(deps, roomId, events)
  }
}
