import type { EventId, RoomId, UserId } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { TransactionKey } from '../store/event-transactions.ts'

/** What a local user wants to send. */
export interface Draft {
  readonly type: string
  /** undefined: a message event */
  readonly stateKey?: string | undefined
  readonly content: JsonObject
  readonly sender: UserId
  /** The event that an `m.room.redaction` names. */
  readonly redacts?: EventId | undefined
  /** ms; now unless given */
  readonly ts?: number | undefined
}

/** An event that a local user sends, with the row ids that were found for it. */
export interface QueuedDraft {
  readonly roomId: RoomId
  readonly roomNid: number
  readonly userNid: number
  readonly draft: Draft
  /** undefined where the client named no transaction */
  readonly key: TransactionKey | undefined
}

/** An event that was sent, now or by an earlier request. */
export interface Sent {
  readonly eventId: EventId
  readonly eventNid: number
}
