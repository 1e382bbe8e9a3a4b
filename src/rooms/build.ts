import { checkAuth } from '../protocol/auth/check.ts'
import type { AuthState } from '../protocol/auth/state.ts'
import { MatrixError } from '../protocol/errors.ts'
import { EventRefusal } from '../protocol/event-refusal.ts'
import type { RoomEvent } from '../protocol/event.ts'
import { referenceHash } from '../protocol/hash.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { prepareEvent } from '../protocol/seal-event.ts'
import type { UnsignedEvent } from '../protocol/seal-event.ts'
import { signText } from '../protocol/sign.ts'
import type { Conn } from '../store/database.ts'
import { currentAuthState } from './auth-state.ts'
import type { RoomsDeps } from './deps.ts'
import { loadEventsByIds } from './events.ts'
import type { Draft } from './draft.ts'
import type { Extremity, Room } from './room.ts'

export type { Draft } from './draft.ts'

export type BuildDeps = Pick<RoomsDeps, 'roomCache' | 'serverName' | 'signingKey' | 'clock' | 'random'>

/** The most events that one event may name as its predecessors. */
export const maxPrevEvents = 20

/** The predecessors of the next event: all extremities, the newest of them where there are too many. */
export function previousOf(room: Pick<Room, 'extremities'>): readonly Extremity[] {
  const { extremities } = room
  return extremities.length <= maxPrevEvents
    ? extremities
    : [...extremities].sort((a, b) => b.eventNid - a.eventNid).slice(0, maxPrevEvents)
}

/** The fields of an event that is to be made, unsigned, and what it is judged by. */
export interface EventPlan {
  readonly fields: JsonObject
  readonly state: AuthState | undefined
  readonly authEvents: readonly RoomEvent[]
}

/** The fields of an event that follows the room's newest ones: all but its hash and signatures. */
export async function planEvent(
  conn: Conn,
  deps: Pick<BuildDeps, 'roomCache' | 'serverName' | 'clock' | 'random'>,
  room: Room,
  draft: Draft,
): Promise<EventPlan> {
  const { version } = room
  const { type, stateKey, sender, redacts } = draft
  const content = redacts !== undefined && version.redactsInContent ? { ...draft.content, redacts } : draft.content
  const { state, events: authEvents } = await currentAuthState(deps, conn, room, {
    version,
    type,
    stateKey,
    sender,
    content,
  })
  const previous = previousOf(room)
  const depth = previous.reduce((deepest, extremity) => Math.max(deepest, extremity.depth), 0) + 1
  const fields: Record<string, Json> = {
    type,
    sender,
    content,
    depth: Math.min(depth, Number.MAX_SAFE_INTEGER),
    origin_server_ts: draft.ts ?? deps.clock.now(),
    prev_events: await references(conn, room, previous),
    auth_events: authEvents.map((event) => referenceTo(event)),
  }
  if (stateKey !== undefined) fields.state_key = stateKey
  if (!(version.roomIdIsCreateHash && type === 'm.room.create' && stateKey === '')) fields.room_id = room.id
  if (redacts !== undefined && !version.redactsInContent) fields.redacts = redacts
  if (version.eventIdFormat === 'origin') fields.event_id = `$${deps.random.token(18)}:${deps.serverName}`
  return { fields, state, authEvents }
}

/** An event of a local user, judged, and its auth events. */
export interface Built<E> {
  readonly event: E
  readonly authEvents: readonly RoomEvent[]
}

/**
 * Builds, judges and signs an event of a local user against the room's current state: field by field, and nothing of it
 * comes from elsewhere. Gives the event and its auth events. Throws `M_FORBIDDEN` with the rule that it breaks,
 * `M_TOO_LARGE` and `M_BAD_JSON`.
 */
export async function buildEvent(conn: Conn, deps: BuildDeps, room: Room, draft: Draft): Promise<Built<RoomEvent>> {
  const { event, authEvents } = await buildUnsigned(conn, deps, room, draft)
  return { event: event.signed(signText(event.toSign, deps.signingKey)), authEvents }
}

/** As `buildEvent`, all but the signature, which several events get together. */
export async function buildUnsigned(
  conn: Conn,
  deps: BuildDeps,
  room: Room,
  draft: Draft,
): Promise<Built<UnsignedEvent>> {
  const { fields, state, authEvents } = await planEvent(conn, deps, room, draft)
  const made = prepareEvent(room.version, fields, deps.serverName, deps.signingKey)
  if (made instanceof EventRefusal) throw made.toError()
  const refusal = checkAuth(made.event, state)
  if (refusal !== undefined) throw new MatrixError('M_FORBIDDEN', refusal)
  return { event: made, authEvents }
}

/** How an event names another: by id, and before room version 3 with its hash. */
function referenceTo(event: RoomEvent): Json {
  const { version, eventId, pdu } = event
  return version.eventIdFormat === 'origin' ? [eventId, { sha256: referenceHash(version, pdu) }] : eventId
}

async function references(conn: Conn, room: Room, previous: readonly Extremity[]): Promise<Json[]> {
  const ids = previous.map(({ eventId }) => eventId)
  if (room.version.eventIdFormat !== 'origin') return ids
  const events = await loadEventsByIds(conn, room, ids)
  return ids.map((eventId) => {
    const found = events.get(eventId)
    if (found === undefined) throw new Error('an extremity is not stored')
    return referenceTo(found.event)
  })
}
