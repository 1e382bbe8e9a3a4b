import { MatrixError } from '../protocol/errors.ts'
import type { EventId, RoomId } from '../protocol/ids.ts'
import { utf8Length } from '../protocol/text.ts'
import { findEventById } from '../store/events.ts'
import type { Requester } from '../accounts/requester.ts'
import { knownRoom } from './membership.ts'
import type { ClientTransaction, SendDeps } from './send.ts'
import { sendEvent } from './send.ts'

const maxReasonBytes = 1024

/** A redaction that a client sends. */
export interface RedactionRequest {
  readonly roomId: RoomId
  readonly redacts: EventId
  readonly reason?: string | undefined
  readonly transaction: ClientTransaction
  /** ms, of application services only */
  readonly ts?: number | undefined
}

/**
 * Redacts an event (client-server API, "Redactions"). Suspended users may redact only what they sent themselves. Throws
 * `M_FORBIDDEN`, `M_NOT_FOUND`, `M_USER_SUSPENDED`, `M_TOO_LARGE`.
 */
export async function redact(
  deps: SendDeps,
  requester: Pick<Requester, 'userId' | 'userNid' | 'suspended'>,
  request: RedactionRequest,
): Promise<EventId> {
  const { roomId, redacts, reason, transaction, ts } = request
  await knownRoom(deps, roomId)
  if (reason !== undefined && utf8Length(reason) > maxReasonBytes)
    throw new MatrixError('M_TOO_LARGE', `A reason has at most ${maxReasonBytes} bytes`)
  if (requester.suspended) {
    const target = await deps.database.read((conn) => findEventById(conn, redacts))
    if (target?.sender_nid !== requester.userNid) throw new MatrixError('M_USER_SUSPENDED', 'This account is suspended')
  }
  const content = reason === undefined ? {} : { reason }
  const draft = { type: 'm.room.redaction', content, sender: requester.userId, redacts, ts }
  return (await sendEvent(deps, { roomId, draft, transaction })).eventId
}
