import type { RoomEvent } from '../../protocol/event.ts'
import { isJsonObject, memberOf } from '../../protocol/json.ts'
import { pruneEvent } from '../../protocol/redact.ts'
import type { ErasureMark } from '../../rooms/prune-rule.ts'
import { isCoveredByErasure, pruneRule } from '../../rooms/prune-rule.ts'
import { eventOfRow } from '../../rooms/events.ts'
import { eventAt } from '../../rooms/layers.ts'
import { replaceInState } from '../../rooms/redaction-application.ts'
import type { Room } from '../../rooms/room.ts'
import type { Tx } from '../../store/database.ts'
import { pruneEventRows } from '../../store/erasure-events.ts'
import type { EventOutcome } from '../../store/erasure-events.ts'
import type { EventRow } from '../../store/events.ts'
import type { PrivacyDeps } from '../deps.ts'
import type { Holders } from './holders.ts'

/** Whose events are pruned, and for whom they are kept. */
export interface Pruning {
  readonly userNid: number
  readonly mark: ErasureMark
  /** in `forget`: who may hold what; undefined in `redact` */
  readonly holders: Holders | undefined
  /** whether redactions are to be sent for what can be redacted */
  readonly sendsRedactions: boolean
}

/** What became of each event of a slice; those that somebody holds are `pending`. */
export type Verdicts = ReadonlyMap<EventOutcome, readonly number[]>

/**
 * Prunes stored events of one room at rest, in the caller's transaction: what the room needs stays (ERASURE.md section
 * 4). Events that others sent about the person lose their personal content as well. Gives what became of each.
 */
export async function pruneStored(
  tx: Tx,
  deps: Pick<PrivacyDeps, 'roomCache' | 'clock'>,
  room: Room,
  rows: readonly EventRow[],
  pruning: Pruning,
): Promise<Verdicts> {
  const verdicts = new Map<EventOutcome, number[]>()
  const pruned: { nid: number; json: string }[] = []
  let next = room
  for (const row of rows) {
    const { outcome, event, before } = await judge(tx, room, row, pruning)
    verdicts.set(outcome, [...(verdicts.get(outcome) ?? []), row.event_nid])
    if (event === undefined) continue
    if (event.text !== before.text || row.pruned_ts === null) pruned.push({ nid: row.event_nid, json: event.text })
    if (row.state_key_nid !== null) next = await replaceInState(tx, next, event, row.event_nid, row.state_key_nid)
  }
  await pruneEventRows(tx, pruned, deps.clock.now())
  if (next !== room) deps.roomCache.put(tx, next)
  tx.onCommit(() => {
    for (const { nid } of pruned) deps.roomCache.caches.forgetEvent(nid)
  })
  return verdicts
}

interface Judgement {
  readonly outcome: EventOutcome
  readonly before: RoomEvent
  /** as it is stored from now on; undefined: as before */
  readonly event: RoomEvent | undefined
}

async function judge(tx: Tx, room: Room, row: EventRow, pruning: Pruning): Promise<Judgement> {
  const before = eventOfRow(room, row)
  const stays = (outcome: EventOutcome): Judgement => ({ outcome, before, event: undefined })
  const isOwn = row.sender_nid === pruning.userNid
  if (!isCoveredByErasure(pruning.mark, row.origin_server_ts, row.backfilled ? 'old' : 'stored')) return stays('kept')
  if (row.redacted_by !== null) return stays('already')
  const isCurrent = row.state_key_nid !== null && eventAt(room.chain, row.state_key_nid) === row.event_nid
  if (pruneRule(before, isCurrent).stored === 'keep') return stays('kept')
  // a state event is pruned for everybody; of the others, in `forget`, those that nobody holds
  if (row.state_key_nid === null && (await pruning.holders?.hold(tx, row))) return stays('pending')
  const isSent = row.ord !== null && row.rejected === null && !row.soft_failed
  const isRedactable = isOwn && row.state_key_nid === null && before.type !== 'm.room.redaction' && isSent
  const event = pruneEvent(before)
  if (pruning.sendsRedactions && isRedactable) return { outcome: relates(before) ? 'first' : 'rest', before, event }
  return { outcome: event.text === before.text ? 'bare' : 'pruned', before, event }
}

/** Edits, replies, reactions, messages in threads. */
function relates({ content }: RoomEvent): boolean {
  return isJsonObject(memberOf(content, 'm.relates_to'))
}
