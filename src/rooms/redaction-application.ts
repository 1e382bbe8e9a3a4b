import { AuthState } from '../protocol/auth/state.ts'
import { canonicalJson } from '../protocol/canonical-json.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { EventId } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import { makeEvent } from '../protocol/make-event.ts'
import { pruneEvent, redactPdu } from '../protocol/redact.ts'
import type { Conn, Tx } from '../store/database.ts'
import { deleteEventMedia } from '../store/event-media.ts'
import type { EventRow } from '../store/events.ts'
import {
  deleteNotificationsOfEvent,
  findEventById,
  listEvents,
  listKnownEvents,
  redactEventRow,
} from '../store/events.ts'
import { pruneMembershipNames } from '../store/memberships.ts'
import { insertRedaction, listWaitingRedactions, putRedactionApplied } from '../store/redactions.ts'
import { deleteRelation } from '../store/relations.ts'
import type { RoomsDeps } from './deps.ts'
import { eventOfRow, loadEvents } from './events.ts'
import { eventAt } from './layers.ts'
import type { Room } from './room.ts'
import { stateAtGroup } from './state.ts'
import { applySummaryChanges, isInSummary } from './summary.ts'

type Deps = Pick<RoomsDeps, 'roomCache' | 'clock' | 'mediaReleased' | 'changes'>

/** A stored redaction event, as far as its application needs it. */
export interface StoredRedaction {
  readonly event: RoomEvent
  readonly eventNid: number
  readonly senderNid: number
  readonly softFailed: boolean
  /** null: an outlier */
  readonly stateBefore: number | null
}

/** Notes what a redaction event names and applies it, now or when its target comes (rooms/v3, "Handling redactions"). */
export async function applyRedaction(tx: Tx, deps: Deps, room: Room, redaction: StoredRedaction): Promise<Room> {
  const { redacts } = redaction.event
  if (redacts === undefined) return room
  const row = await findEventById(tx, redacts)
  const isAllowed = row !== undefined && (await mayApply(tx, deps, room, redaction, row))
  // a rejected event is pruned too, but clients hear of neither
  const isApplied = isAllowed && row.rejected === null
  await insertRedaction(tx, {
    redactionNid: redaction.eventNid,
    roomNid: room.nid,
    redacts,
    senderNid: redaction.senderNid,
    applied: isApplied,
  })
  return isAllowed ? redactStored(tx, deps, room, row, redaction.eventNid) : room
}

/** Applies the redactions that came before this event. */
export async function applyWaitingRedactions(tx: Tx, deps: Deps, room: Room, eventId: EventId): Promise<Room> {
  const waiting = await listWaitingRedactions(tx, eventId)
  if (waiting.length === 0) return room
  const target = await findEventById(tx, eventId)
  const rows = await listEvents(
    tx,
    waiting.map((row) => row.redaction_nid),
  )
  for (const row of rows.sort((a, b) => a.event_nid - b.event_nid)) {
    if (target === undefined || row.rejected !== null || row.room_nid !== room.nid) continue
    const redaction: StoredRedaction = {
      event: eventOfRow(room, row),
      eventNid: row.event_nid,
      senderNid: row.sender_nid,
      softFailed: row.soft_failed,
      stateBefore: row.state_before,
    }
    if (!(await mayApply(tx, deps, room, redaction, target))) continue
    await putRedactionApplied(tx, row.event_nid)
    return redactStored(tx, deps, room, target, row.event_nid)
  }
  return room
}

async function mayApply(
  conn: Conn,
  deps: Deps,
  room: Room,
  redaction: StoredRedaction,
  target: EventRow,
): Promise<boolean> {
  if (target.room_nid !== room.nid) return false
  // NOTSPEC: before version 11 its redaction would take the room's version and type away
  if (target.type === 'm.room.create') return false
  if (target.sender_nid === redaction.senderNid) return true
  if (redaction.softFailed) return false
  // versions 1 and 2: authorization rule 11 has judged it
  if (room.version.redactionAuthRule) return true
  const { event } = redaction
  const targetEvent = eventOfRow(room, target)
  if (serverNameOf(event.sender) === serverNameOf(targetEvent.sender)) return true
  const state = await stateOfRedaction(conn, deps, room, redaction)
  return state !== undefined && state.powerLevels.levelOf(event.sender) >= state.powerLevels.redact
}

/** The levels that count are those at the redaction; of an outlier those that it names itself. */
async function stateOfRedaction(
  conn: Conn,
  deps: Deps,
  room: Room,
  { event, stateBefore }: StoredRedaction,
): Promise<AuthState | undefined> {
  const create = await deps.roomCache.stateEvent(conn, room, 'm.room.create', '')
  if (stateBefore === null) {
    const known = await listKnownEvents(conn, event.authEventIds)
    const nids = [...known.values()].filter(({ rejected }) => rejected === null).map(({ eventNid }) => eventNid)
    return AuthState.of((await loadEvents(deps, conn, room, nids)).values(), create)
  }
  const levels = await stateAtGroup(deps, conn, room, stateBefore, [{ type: 'm.room.power_levels', stateKey: '' }])
  return AuthState.of(levels.values(), create)
}

/** What redaction leaves of an event. One that is itself a redaction keeps what it names: else that would come back. */
export function redactedForm(event: RoomEvent): RoomEvent {
  if (event.redacts === undefined || event.version.redactsInContent) return pruneEvent(event)
  const pdu = { ...redactPdu(event.version, event.pdu), redacts: event.redacts }
  return makeEvent(event.version, event.eventId, event.roomId, pdu, canonicalJson(pdu))
}

/** Prunes a stored event at rest, with everything that was made of its content. */
async function redactStored(tx: Tx, deps: Deps, room: Room, row: EventRow, redactedBy: number): Promise<Room> {
  if (row.redacted_by !== null) return room
  const event = redactedForm(eventOfRow(room, row))
  const nid = row.event_nid
  await redactEventRow(tx, { nid, json: event.text, ts: deps.clock.now(), redactedBy })
  tx.onCommit(() => deps.roomCache.caches.forgetEvent(nid))
  await deleteRelation(tx, nid)
  if (row.notify_ord !== null) await deleteNotificationsOfEvent(tx, nid)
  const released = await deleteEventMedia(tx, nid)
  if (released.length > 0) await deps.mediaReleased?.(tx, released)
  return row.state_key_nid === null ? room : replaceInState(tx, room, event, nid, row.state_key_nid)
}

/** Brings what was made of a state event in line with its pruned form. */
export async function replaceInState(tx: Tx, room: Room, event: RoomEvent, nid: number, keyNid: number): Promise<Room> {
  if (event.type === 'm.room.member') await pruneMembershipNames(tx, [nid])
  const { type, stateKey } = event
  if (stateKey === undefined || eventAt(room.chain, keyNid) !== nid) return room
  const change = { keyNid, type, stateKey, before: undefined, beforeNid: nid, after: event, afterNid: nid }
  if (isInSummary(type, stateKey)) await applySummaryChanges(tx, room.nid, [change], [])
  return { ...room, memo: room.memo.with([[type, stateKey, event]]) }
}
