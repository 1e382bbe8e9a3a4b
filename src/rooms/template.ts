import type { Template } from '../federation/answers.ts'
import { badAnswer } from '../federation/errors.ts'
import { isRefusal } from '../protocol/event-refusal.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { RoomId, ServerName, UserId } from '../protocol/ids.ts'
import { parseUserId, serverNameOf } from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import type { RoomVersion } from '../protocol/room-version.ts'
import { findRoomVersion } from '../protocol/room-version.ts'
import { sealEvent } from '../protocol/seal-event.ts'
import type { RoomsDeps } from './deps.ts'

/** What a handshake is about. */
export interface Handshake {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly membership: 'join' | 'leave' | 'knock'
}

/** The few fields of a template that may be the other server's. */
export interface TemplateParts {
  readonly version: RoomVersion
  readonly prevEvents: Json
  readonly authEvents: Json
  readonly depth: number
  /** who lets the user into a restricted room: always a user of the server that made the template */
  readonly authoriser: UserId | undefined
}

/** What templates of other servers are seen to have; everything else is a sign of something else. */
const fields = new Set(
  (
    'type room_id sender state_key content prev_events auth_events depth origin origin_server_ts hashes signatures ' +
    'unsigned event_id prev_state membership redacts'
  ).split(' '),
)
const contentFields = new Set(
  (
    'membership displayname avatar_url reason is_direct third_party_invite join_authorised_via_users_server ' +
    'xyz.amorgan.blurhash blurhash'
  ).split(' '),
)

/**
 * What we take of a template for `make_join`, `make_leave` or `make_knock` (server-server API, "Joining Rooms": what must
 * be verified). Throws a FederationError where the template is for something else than was asked.
 */
export function readTemplate(from: ServerName, { roomVersion, event }: Template, asked: Handshake): TemplateParts {
  const refuse = (reason: string) => badAnswer(from, `a template that ${reason}`)
  const version = findRoomVersion(roomVersion)
  if (version === undefined) throw refuse('is of an unknown room version')
  const content = memberOf(event, 'content')
  if (!isJsonObject(content)) throw refuse('has no content')
  if (memberOf(event, 'type') !== 'm.room.member') throw refuse('is no membership')
  if (memberOf(event, 'room_id') !== asked.roomId) throw refuse('is for another room')
  if (memberOf(event, 'sender') !== asked.userId) throw refuse('has another sender')
  if (memberOf(event, 'state_key') !== asked.userId) throw refuse('is about another user')
  if (memberOf(content, 'membership') !== asked.membership) throw refuse('is another membership')
  if (!hasOnly(event, fields) || !hasOnly(content, contentFields)) throw refuse('has members that it should not have')
  const depth = memberOf(event, 'depth')
  if (typeof depth !== 'number' || !Number.isSafeInteger(depth) || depth < 1) throw refuse('has no depth')
  const prevEvents = memberOf(event, 'prev_events')
  if (!Array.isArray(prevEvents) || prevEvents.length === 0) throw refuse('names no previous events')
  const authEvents = memberOf(event, 'auth_events')
  if (!Array.isArray(authEvents) || authEvents.length === 0) throw refuse('names no auth events')
  return { version, prevEvents, authEvents, depth, authoriser: readAuthoriser(from, version, asked, content) }
}

function readAuthoriser(
  from: ServerName,
  version: RoomVersion,
  asked: Handshake,
  content: JsonObject,
): UserId | undefined {
  const value = memberOf(content, 'join_authorised_via_users_server')
  if (value === undefined) return undefined
  const authoriser = parseUserId(value)
  if (asked.membership !== 'join' || authoriser === undefined || serverNameOf(authoriser) !== from)
    throw badAnswer(from, 'a template with an authoriser that cannot be')
  return version.restrictedJoins ? authoriser : undefined
}

function hasOnly(object: JsonObject, known: ReadonlySet<string>): boolean {
  return Object.keys(object).every((key) => known.has(key))
}

/**
 * Our own event, built field by field, with what was taken of a template. `content` is ours. Throws a FederationError
 * where what was taken makes no event, and `M_TOO_LARGE` where our own part is too large.
 */
export function buildFromTemplate(
  deps: Pick<RoomsDeps, 'serverName' | 'signingKey' | 'clock' | 'random'>,
  from: ServerName,
  parts: TemplateParts,
  { roomId, userId }: Handshake,
  content: JsonObject,
): RoomEvent {
  const { version, prevEvents, authEvents, depth, authoriser } = parts
  const made: Record<string, Json> = {
    type: 'm.room.member',
    room_id: roomId,
    sender: userId,
    state_key: userId,
    content: authoriser === undefined ? content : { ...content, join_authorised_via_users_server: authoriser },
    prev_events: prevEvents,
    auth_events: authEvents,
    depth,
    origin_server_ts: deps.clock.now(),
  }
  if (version.eventIdFormat === 'origin') made.event_id = `$${deps.random.token(18)}:${deps.serverName}`
  const event = sealEvent(version, made, deps.serverName, deps.signingKey)
  if (!isRefusal(event)) return event
  throw event.errcode === 'M_TOO_LARGE' ? event.toError() : badAnswer(from, `a template: ${event.reason}`)
}
