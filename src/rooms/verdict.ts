import type { EventId } from '../protocol/ids.ts'

/** What became of a PDU: `refused` is not stored, `staged` is stored and waits to be judged. */
export type VerdictWord = 'accepted' | 'duplicate' | 'soft_failed' | 'rejected' | 'refused' | 'staged'

/** The verdict on one PDU. */
export interface ReceivedVerdict {
  /** undefined where the PDU is not even an event */
  readonly eventId?: EventId | undefined
  readonly verdict: VerdictWord
  /** why it is refused, rejected or soft-failed */
  readonly error?: string | undefined
  /** refused only because an event that it names is not to be had now */
  readonly isIncomplete?: true
  /** incomplete, and somebody who was asked did not answer: it may be had later */
  readonly isUnanswered?: boolean
}
