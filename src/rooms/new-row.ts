import type { RoomEvent } from '../protocol/event.ts'
import type { Tx } from '../store/database.ts'
import type { NewEvent } from '../store/events.ts'
import { storable } from './event-numbers.ts'
import type { Room } from './room.ts'

type OfEvent = 'event_id' | 'room_nid' | 'type' | 'origin_server_ts' | 'depth' | 'writer' | 'outlier' | 'partial_state'

/** The row of an event that gets its place in the room's graph as it is stored; `rest` is what the event does not say. */
export function newRow(tx: Tx, room: Room, event: RoomEvent, rest: Omit<NewEvent, OfEvent | 'json'>): NewEvent {
  // member by member: a spread of so many costs as much as a statement
  return {
    event_id: event.eventId,
    room_nid: room.nid,
    type: event.type,
    state_key_nid: rest.state_key_nid,
    sender_nid: rest.sender_nid,
    origin_server_ts: storable(event.originServerTs),
    depth: storable(event.depth),
    ord: rest.ord,
    writer: tx.writerNid,
    pos: rest.pos,
    state_before: rest.state_before,
    state_after: rest.state_after,
    outlier: false,
    rejected: rest.rejected,
    soft_failed: rest.soft_failed,
    backfilled: rest.backfilled,
    partial_state: false,
    local: rest.local,
    pruned_ts: rest.pruned_ts,
    thread_id: rest.thread_id,
    notify_ord: rest.notify_ord,
    auth_edges: rest.auth_edges,
    received_ts: rest.received_ts,
    json: event.text,
  }
}
