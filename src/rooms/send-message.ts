import { MatrixError } from '../protocol/errors.ts'
import type { EventId, RoomId } from '../protocol/ids.ts'
import { parseEventId } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { Actor } from './actor.ts'
import { checkContent } from './content-checks.ts'
import { knownRoom } from './membership.ts'
import type { ClientTransaction, SendDeps } from './send.ts'
import { sendEvent } from './send.ts'

/** A message event that a client sends. */
export interface MessageRequest {
  readonly roomId: RoomId
  readonly type: string
  readonly content: JsonObject
  readonly transaction: ClientTransaction
  /** ms, of application services only */
  readonly ts?: number | undefined
}

/**
 * Sends a message event of a local user (client-server API, `PUT /rooms/{roomId}/send`). A redaction sent this way names
 * its target in the content, whatever the room's version. Throws `M_BAD_JSON`, `M_FORBIDDEN`, `M_TOO_LARGE`,
 * `M_DUPLICATE_ANNOTATION`.
 */
export async function sendMessage(
  deps: SendDeps,
  { userId: sender }: Actor,
  request: MessageRequest,
): Promise<EventId> {
  const { roomId, type, content, transaction, ts } = request
  await knownRoom(deps, roomId)
  if (type === 'm.room.redaction') {
    const { redacts: named, ...rest } = content
    const redacts = parseEventId(named)
    if (redacts === undefined) throw new MatrixError('M_BAD_JSON', 'redacts is not an event ID')
    return (await sendEvent(deps, { roomId, draft: { type, content: rest, sender, redacts, ts }, transaction })).eventId
  }
  checkContent(type, content, { isState: false, serverName: deps.serverName })
  return (await sendEvent(deps, { roomId, draft: { type, content, sender, ts }, transaction })).eventId
}
