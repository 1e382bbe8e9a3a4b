import { MatrixError } from '../protocol/errors.ts'
import { isRefusal } from '../protocol/event-refusal.ts'
import type { RoomEvent } from '../protocol/event.ts'
import { checkContentHash } from '../protocol/hash.ts'
import type { EventId, RoomId, ServerName } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { parseEvent } from '../protocol/parse-event.ts'
import type { RoomVersion } from '../protocol/room-version.ts'
import { checkSignatureOf } from './adopt-signatures.ts'
import type { RoomsDeps } from './deps.ts'
import type { Door } from './receive.ts'
import { receive } from './receive.ts'

/** An event that another server hands over in a handshake. */
export interface Handed {
  readonly origin: ServerName
  readonly roomId: RoomId
  readonly eventId: EventId
  readonly pdu: JsonObject
}

/**
 * The event of a handshake once it has been seen that it is what the endpoint is for (server-server API: what
 * `send_join`, `send_leave`, `send_knock` and `invite` must validate): a membership of that kind, by a user of the
 * origin, for this room, under this id, unchanged and signed by the origin. Throws `M_INVALID_PARAM`.
 */
export async function checkHanded(
  deps: Pick<RoomsDeps, 'keyRing'>,
  version: RoomVersion,
  { origin, roomId, eventId, pdu }: Handed,
  membership: 'join' | 'leave' | 'knock' | 'invite',
): Promise<RoomEvent> {
  const refuse = (reason: string) => new MatrixError('M_INVALID_PARAM', `The event ${reason}`)
  const event = parseEvent(version, pdu)
  if (isRefusal(event)) throw refuse(`is none: ${event.reason}`)
  if (event.roomId !== roomId) throw refuse('is for another room')
  if (event.eventId !== eventId) throw refuse('has another id')
  if (event.type !== 'm.room.member') throw refuse('is no membership')
  if (event.content.membership !== membership) throw refuse(`is no ${membership}`)
  if (serverNameOf(event.sender) !== origin) throw refuse('has a sender of another server')
  if (event.stateKey === undefined) throw refuse('has no state key')
  if (membership !== 'invite' && event.stateKey !== event.sender) throw refuse('is about another user than its sender')
  const hashRefusal = checkContentHash(event)
  if (hashRefusal !== undefined) throw refuse(`is not as it was made: ${hashRefusal}`)
  const signatureRefusal = await checkSignatureOf(deps, event, origin)
  if (signatureRefusal !== undefined) throw refuse(`is not signed by your server: ${signatureRefusal}`)
  return event
}

/** Takes an event of a handshake through the gate. Throws `M_FORBIDDEN` where it is not allowed in the room. */
export async function admit(
  deps: RoomsDeps,
  door: Door,
  origin: ServerName,
  { roomId, pdu }: RoomEvent,
): Promise<void> {
  const [verdict] = await receive(deps, { door, origin, roomId, pdus: [pdu] })
  if (verdict?.verdict !== 'accepted' && verdict?.verdict !== 'duplicate')
    throw new MatrixError('M_FORBIDDEN', verdict?.error ?? 'The event is not allowed')
}
