import type { RoomEvent } from '../protocol/event.ts'
import type { EventId, RoomId, ServerName } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { Json } from '../protocol/json-types.ts'
import { isHostJoined } from '../store/room-hosts.ts'
import { findServerNid } from '../store/servers.ts'
import { isAllowedByAcl } from './checks/server-acl.ts'
import { checkShape, claimedRoom } from './checks/shape.ts'
import type { LiveDeps } from './receive-live.ts'
import { receiveLive } from './receive-live.ts'
import { receiveHistory } from './receive-history.ts'
import { storeOutliers } from './outliers.ts'
import type { Room } from './room.ts'
import { inQueue, receiveSent } from './staged-events.ts'
import type { ReceivedVerdict } from './verdict.ts'
import { refused, verified } from './verified.ts'

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
