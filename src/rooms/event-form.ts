import { canonicalJson } from '../protocol/canonical-json.ts'
import type { RoomEvent } from '../protocol/event.ts'
import { makeEvent } from '../protocol/make-event.ts'
import { pruneEvent } from '../protocol/redact.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { Conn } from '../store/database.ts'
import type { ReadRow } from '../store/read-rows.ts'
import type { RoomsDeps } from './deps.ts'
import { isSubjectErased } from './erasure-of.ts'
import { eventOfRow } from './events.ts'
import { isCoveredByErasure, pruneRule } from './prune-rule.ts'
import type { Room } from './room.ts'

/** How an event is shown to one reader: as stored, pruned, or without some keys of its content. */
export interface EventForm {
  readonly name: string
  readonly isPruned: boolean
  /** The sender is erased and the event reads as deleted. */
  readonly isErased: boolean
  readonly strip: readonly string[]
}

/** Nothing was taken away. */
export const asStored: EventForm = { name: '', isPruned: false, isErased: false, strip: [] }
const storedPruned: EventForm = { name: '', isPruned: true, isErased: true, strip: [] }
const pruned: EventForm = { name: 'p', isPruned: true, isErased: true, strip: [] }

/**
 * The form of an event for a reader (ERASURE.md, "Who sees what"). `isHolder` is asked only for what an erased person
 * wrote and is still stored: those who were there keep seeing it until it is gone at rest; everybody else sees it pruned
 * from T0 on. What a room needs is shown without what describes the person.
 */
export async function formOf(
  deps: Pick<RoomsDeps, 'erased' | 'roomCache'>,
  conn: Conn,
  room: Room,
  row: ReadRow,
  isHolder: () => Promise<boolean>,
): Promise<EventForm> {
  if (deps.erased.isEmpty) return asStored
  const mark = deps.erased.of(row.sender_nid)
  if (!isCoveredByErasure(mark, row.origin_server_ts, arrivalOf(row)))
    return row.type === 'm.room.member' && row.pruned_ts === null && row.redacted_by === null
      ? formAboutErased(deps, conn, room, row, isHolder)
      : asStored
  if (row.pruned_ts !== null) return row.redacted_by === null ? storedPruned : asStored
  const event = eventOfRow(room, row)
  const rule = pruneRule(event, await isCurrent(deps, conn, room, event))
  if (rule.stored === 'keep')
    return rule.strip.length === 0
      ? asStored
      : { name: rule.strip.join(), isPruned: false, isErased: false, strip: rule.strip }
  return (await isHolder()) ? asStored : pruned
}

/** An event in a form that is not `as stored`. */
export function inForm(event: RoomEvent, form: EventForm): { readonly event: RoomEvent; readonly content: JsonObject } {
  if (form.name === 'p') {
    const made = pruneEvent(event)
    return { event: made, content: made.content }
  }
  if (form.strip.length === 0) return { event, content: event.content }
  const content = Object.fromEntries(Object.entries(event.content).filter(([key]) => !form.strip.includes(key)))
  const pdu = { ...event.pdu, content }
  return { event: makeEvent(event.version, event.eventId, event.roomId, pdu, canonicalJson(pdu)), content }
}

/** What somebody else's member event says of an erased person: an invite carries the invited person's name and picture. */
async function formAboutErased(
  deps: Pick<RoomsDeps, 'erased' | 'roomCache'>,
  conn: Conn,
  room: Room,
  row: ReadRow,
  isHolder: () => Promise<boolean>,
): Promise<EventForm> {
  const event = eventOfRow(room, row)
  if (!(await isSubjectErased(deps, conn, event, arrivalOf(row)))) return asStored
  const rule = pruneRule(event, false)
  if (rule.stored === 'keep') return { name: rule.strip.join(), isPruned: false, isErased: false, strip: rule.strip }
  return (await isHolder()) ? asStored : { ...pruned, isErased: false }
}

function arrivalOf(row: ReadRow): 'old' | 'stored' {
  return row.backfilled ? 'old' : 'stored'
}

async function isCurrent(
  deps: Pick<RoomsDeps, 'roomCache'>,
  conn: Conn,
  room: Room,
  event: RoomEvent,
): Promise<boolean> {
  if (event.stateKey === undefined) return false
  const current = await deps.roomCache.stateEvent(conn, room, event.type, event.stateKey)
  return current?.eventId === event.eventId
}
