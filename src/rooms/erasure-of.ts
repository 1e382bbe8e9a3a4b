import type { RoomEvent } from '../protocol/event.ts'
import { parseUserId } from '../protocol/ids.ts'
import { redactContent } from '../protocol/redact.ts'
import type { RoomVersion } from '../protocol/room-version.ts'
import type { StrippedState } from '../protocol/stripped-state.ts'
import type { Conn, Tx } from '../store/database.ts'
import { deletedFact, raiseFact } from '../store/facts.ts'
import type { RoomsDeps } from './deps.ts'
import type { Arrival, ErasureMark } from './prune-rule.ts'
import { isCoveredByErasure, pruneRule } from './prune-rule.ts'

type Deps = Pick<RoomsDeps, 'erased' | 'roomCache'>

/** The erasure of whom somebody else's member event is about: an invite carries the invited person's name and picture. */
export async function markOfSubject(
  deps: Deps,
  conn: Conn,
  event: Pick<RoomEvent, 'type' | 'stateKey' | 'sender'>,
): Promise<ErasureMark | undefined> {
  if (deps.erased.isEmpty || event.type !== 'm.room.member' || event.stateKey === event.sender) return undefined
  const subject = parseUserId(event.stateKey)
  const nid = subject === undefined ? undefined : await deps.roomCache.userNid(conn, subject)
  return nid === undefined ? undefined : deps.erased.of(nid)
}

/** Whether the erasure of whom somebody else's member event is about covers that event. */
export async function isSubjectErased(deps: Deps, conn: Conn, event: RoomEvent, arrival: Arrival): Promise<boolean> {
  return isCoveredByErasure(await markOfSubject(deps, conn, event), event.originServerTs, arrival)
}

/** Stripped state as it may be kept and shown: what erased persons wrote is pruned, and what tells their names. */
export async function strippedWithoutErased(
  deps: Deps,
  conn: Conn,
  version: RoomVersion,
  event: StrippedState,
): Promise<StrippedState> {
  if (deps.erased.isEmpty) return event
  const { type, state_key: stateKey, content } = event
  const sender = parseUserId(event.sender)
  const senderNid = sender === undefined ? undefined : await deps.roomCache.userNid(conn, sender)
  const ofSender = senderNid === undefined ? undefined : deps.erased.of(senderNid)
  const mark = ofSender ?? (sender && (await markOfSubject(deps, conn, { type, stateKey, sender })))
  if (mark === undefined || mark.returnedTs !== undefined) return event
  const { stored, strip } = pruneRule({ type, stateKey, content, version }, true)
  if (stored === 'prune') return { ...event, content: redactContent(version, type, content) }
  return { ...event, content: Object.fromEntries(Object.entries(content).filter(([key]) => !strip.includes(key))) }
}

/** Something of an erased person was in the database, or passed through it: it is in free pages until the next rewrite. */
export async function noteDeleted(tx: Tx, ts: number): Promise<void> {
  await raiseFact(tx, deletedFact, ts)
}
