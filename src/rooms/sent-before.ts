import { eventFromStored } from '../protocol/parse-event.ts'
import { listEventsSentWith } from '../store/event-transactions.ts'
import type { TransactionKey } from '../store/event-transactions.ts'
import type { Tx } from '../store/database.ts'
import type { Draft, Sent } from './draft.ts'
import type { Room } from './room.ts'

/** The event that this request made before: the same room, type and (of a redaction) target. */
export async function sentBefore(tx: Tx, room: Room, draft: Draft, key: TransactionKey): Promise<Sent | undefined> {
  const sent = await listEventsSentWith(tx, { roomNid: room.nid, type: draft.type }, key)
  const same = sent.find(
    ({ eventId, json }) =>
      draft.redacts === undefined || eventFromStored(room.version, eventId, room.id, json).redacts === draft.redacts,
  )
  return same && { eventId: same.eventId, eventNid: same.eventNid }
}
