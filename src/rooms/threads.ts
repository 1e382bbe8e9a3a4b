import type { EventId } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { findEventById } from '../store/events.ts'
import type { Relation } from './content-facts.ts'
import type { Room } from './room.ts'

/**
 * The thread of an event with a relation: the root that it names, or the thread of what it relates to (client-server
 * API, "Threading" and "Threaded read receipts"). Undefined in the main timeline.
 */
export async function threadOf(conn: Conn, room: Pick<Room, 'nid'>, relation: Relation): Promise<EventId | undefined> {
  if (relation.relType === 'm.thread') return relation.parent
  const parent = await findEventById(conn, relation.parent)
  return parent === undefined || parent.room_nid !== room.nid
    ? undefined
    : ((parent.thread_id ?? undefined) as EventId | undefined)
}
