import { MatrixError } from '../protocol/errors.ts'
import type { RoomId } from '../protocol/ids.ts'
import { memberOf } from '../protocol/json.ts'
import { powerLevelsOf } from '../protocol/power-levels.ts'
import type { Tx } from '../store/database.ts'
import { findEventById } from '../store/events.ts'
import { insertEventTransactions } from '../store/event-transactions.ts'
import { room as roomLock, user as userLock } from '../store/locks.ts'
import { findAnnotationBy, findRelationOf } from '../store/relations.ts'
import { withRetries } from '../store/retries.ts'
import { listSendFacts } from '../store/send-facts.ts'
import { appendLocal } from './append-local.ts'
import type { LocalDeps } from './append-local.ts'
import { relationOf } from './content-facts.ts'
import type { Draft, QueuedDraft, Sent } from './draft.ts'
import type { RoomsDeps } from './deps.ts'
import type { Room } from './room.ts'
import { sentBefore } from './sent-before.ts'
import { assertIsActive, noAccount } from './sender.ts'

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

export type SendDeps = LocalDeps & Pick<RoomsDeps, 'database' | 'failpoint' | 'messages'>

const mostTries = 5

/**
 * Sends an event of a local user. The same user, device, room, type and transaction id give the same event again, also
 * after a restart and to parallel requests. Throws what `appendLocal` throws, `M_NOT_FOUND` for an unknown room, and
 * what the checks of relations and redactions say (client-server API, "Sending events to a room").
 */
export async function sendEvent(deps: SendDeps, { roomId, draft, transaction }: SendRequest): Promise<Sent> {
  const { roomNid, userNid } = await deps.database.read(async (conn) => ({
    roomNid: (await deps.roomCache.get(conn, roomId)).nid,
    userNid: await deps.roomCache.userNid(conn, draft.sender),
  }))
  if (userNid === undefined) throw noAccount()
  const key = transaction && { userNid, deviceId: transaction.deviceId ?? '', txnId: transaction.txnId }
  const message = { roomId, roomNid, userNid, draft, key }
  const together = isOrdinary(draft) ? await deps.messages.send(message) : undefined
  const sent = together ?? (await sendApart(deps, message))
  deps.failpoint?.('send:stored')
  return sent
}

/** A message that changes nothing but the timeline, and asks nothing of other events. */
function isOrdinary({ type, stateKey, redacts, content }: Draft): boolean {
  const isMessage = stateKey === undefined && redacts === undefined && type !== 'm.room.redaction'
  return isMessage && memberOf(content, 'm.relates_to') === undefined
}

/** Sends an event by a write of its own. */
async function sendApart(deps: SendDeps, { roomId, roomNid, userNid, draft, key }: QueuedDraft): Promise<Sent> {
  const send = async (tx: Tx): Promise<Sent> => {
    const [facts] = await listSendFacts(tx, [
      { roomNid, userNid, deviceId: key?.deviceId ?? '', txnId: key?.txnId ?? null },
    ])
    const room = await deps.roomCache.forWrite(tx, roomId, facts?.revision)
    const before = key !== undefined && facts?.isRetry === true ? await sentBefore(tx, room, draft, key) : undefined
    if (before !== undefined) return before
    if (facts === undefined) throw noAccount()
    assertIsActive(facts)
    await assertDraftAllowed(tx, deps, room, draft, userNid)
    const { event, eventNid } = await appendLocal(tx, deps, room, draft, { senderNid: userNid })
    deps.failpoint?.('send:appended')
    if (key !== undefined) await insertEventTransactions(tx, [{ ...key, eventNid, createdTs: deps.clock.now() }])
    return { eventId: event.eventId, eventNid }
  }
  const locks = [userLock(userNid), roomLock(roomNid)]
  return withRetries(mostTries, () => deps.database.write(send, { locks }))
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
