import { stateKeyText } from '../protocol/auth/state.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { EventId, RoomId } from '../protocol/ids.ts'
import { powerLevelsOf } from '../protocol/power-levels.ts'
import type { Tx } from '../store/database.ts'
import { findEventById } from '../store/events.ts'
import { insertEventTransaction } from '../store/event-transactions.ts'
import { room as roomLock, user as userLock } from '../store/locks.ts'
import { findAnnotationBy, findRelationOf } from '../store/relations.ts'
import { withRetries } from '../store/retries.ts'
import { findTransaction, insertTransaction } from '../store/transactions.ts'
import { appendLocal } from './append-local.ts'
import type { LocalDeps } from './append-local.ts'
import { relationOf } from './content-facts.ts'
import type { Draft } from './build.ts'
import type { RoomsDeps } from './deps.ts'
import type { Room } from './room.ts'

export { appendLocal } from './append-local.ts'
export type { Draft } from './build.ts'

/** A client's own id of a request. */
export interface ClientTransaction {
  /** undefined for a token without a device */
  readonly deviceId: string | undefined
  readonly txnId: string
}

/** What is to be sent, and where. */
export interface SendRequest {
  readonly roomId: RoomId
  readonly draft: Draft
  readonly transaction?: ClientTransaction | undefined
}

export type SendDeps = LocalDeps & Pick<RoomsDeps, 'database' | 'failpoint'>

const mostTries = 5

/**
 * Sends an event of a local user. The same user, device, room, type and transaction id give the same event again, also
 * after a restart and to parallel requests. Throws what `appendLocal` throws, `M_NOT_FOUND` for an unknown room, and
 * what the checks of relations and redactions say (client-server API, "Sending events to a room").
 */
export async function sendEvent(
  deps: SendDeps,
  { roomId, draft, transaction }: SendRequest,
): Promise<{ readonly eventId: EventId; readonly eventNid: number }> {
  const locks = await deps.database.read(async (conn) => {
    const room = await deps.roomCache.get(conn, roomId)
    const userNid = await deps.roomCache.userNid(conn, draft.sender)
    return [...(userNid === undefined ? [] : [userLock(userNid)]), roomLock(room.nid)]
  })
  const sent = await withRetries(mostTries, () =>
    deps.database.write(
      async (tx) => {
        const userNid = await deps.roomCache.putUser(tx, draft.sender)
        const key = transaction && transactionKey(userNid, roomId, draft, transaction)
        const before = key && (await findTransaction(tx, key))
        if (before !== undefined) return sentBefore(tx, before)
        const room = await deps.roomCache.forWrite(tx, roomId)
        await assertDraftAllowed(tx, deps, room, draft, userNid)
        const { event, eventNid } = await appendLocal(tx, deps, room, draft)
        deps.failpoint?.('send:appended')
        if (key !== undefined && transaction !== undefined) {
          const now = deps.clock.now()
          await insertTransaction(tx, key, JSON.stringify({ event_id: event.eventId }), now)
          const { deviceId, txnId } = transaction
          await insertEventTransaction(tx, { eventNid, userNid, deviceId: deviceId ?? '', txnId, createdTs: now })
        }
        return { eventId: event.eventId, eventNid }
      },
      { locks },
    ),
  )
  deps.failpoint?.('send:stored')
  return sent
}

function transactionKey(userNid: number, roomId: RoomId, draft: Draft, { deviceId, txnId }: ClientTransaction) {
  const place = stateKeyText(draft.type, draft.redacts ?? '')
  return { userNid, deviceId: deviceId ?? '', request: `send ${roomId} ${place} ${txnId}` }
}

async function sentBefore(tx: Tx, response: string): Promise<{ eventId: EventId; eventNid: number }> {
  const eventId = (JSON.parse(response) as { event_id: EventId }).event_id
  const row = await findEventById(tx, eventId)
  if (row === undefined) throw new Error('an event that was sent is missing')
  return { eventId, eventNid: row.event_nid }
}

/** What clients may not do though the authorization rules have nothing against it. */
async function assertDraftAllowed(tx: Tx, deps: SendDeps, room: Room, draft: Draft, senderNid: number): Promise<void> {
  if (draft.type === 'm.room.redaction') return assertMayRedact(tx, deps, room, draft, senderNid)
  const relation = draft.stateKey === undefined ? relationOf(draft.content) : undefined
  if (relation?.relType === 'm.annotation' && relation.key !== null) {
    const { parent, key } = relation
    if ((await findAnnotationBy(tx, { parent, key, senderNid, roomNid: room.nid })) !== undefined)
      throw new MatrixError('M_DUPLICATE_ANNOTATION', 'You have already sent this reaction')
  }
  if (relation?.relType === 'm.thread' && (await findRelationOf(tx, relation.parent)) !== undefined)
    throw new MatrixError('M_UNKNOWN', 'A thread cannot start at an event that relates to another', {}, 400)
}

/** From room version 3 the rules let every redaction pass: whether it may be made is asked here. */
async function assertMayRedact(tx: Tx, deps: SendDeps, room: Room, draft: Draft, senderNid: number): Promise<void> {
  const { redacts, sender } = draft
  if (redacts === undefined) throw new MatrixError('M_BAD_JSON', 'A redaction names an event')
  const target = await findEventById(tx, redacts)
  if (target !== undefined && target.room_nid !== room.nid) throw new MatrixError('M_NOT_FOUND', 'Event not found')
  if (target?.type === 'm.room.create') throw new MatrixError('M_FORBIDDEN', 'The create event cannot be redacted')
  if (target?.sender_nid === senderNid) return
  const [create, levelsEvent] = await deps.roomCache.stateEvents(tx, room, [
    { type: 'm.room.create', stateKey: '' },
    { type: 'm.room.power_levels', stateKey: '' },
  ])
  if (create === undefined) throw new MatrixError('M_FORBIDDEN', 'The room has no create event')
  const levels = powerLevelsOf(create, levelsEvent)
  if (levels.levelOf(sender) >= levels.redact) return
  if (target === undefined) throw new MatrixError('M_NOT_FOUND', 'Event not found')
  throw new MatrixError('M_FORBIDDEN', 'You may not redact events of others here')
}
