import { and, eq } from 'drizzle-orm'
import { events, relations } from '../../schema/tables/events.ts'
import type { EventId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

const insert = query<{
  eventNid: number
  roomNid: number
  parent: string
  relType: string
  key: string | null
  senderNid: number
}>('insertRelation')(({ db, t, p }) =>
  db
    .insert(t(relations))
    .values({
      event_nid: p.eventNid,
      room_nid: p.roomNid,
      parent_event_id: p.parent,
      rel_type: p.relType,
      aggregation_key: p.key,
      sender_nid: p.senderNid,
    })
    .onConflictDoNothing(),
)
const remove = query<{ eventNid: number }>('deleteRelation')(({ db, t, p }) =>
  db.delete(t(relations)).where(eq(t(relations).event_nid, p.eventNid)),
)
const findOf = query<{ eventId: string }>('findRelationOf')(({ db, t, p }) => {
  const [r, e] = [t(relations), t(events)]
  return db
    .select({ relType: r.rel_type, parent: r.parent_event_id })
    .from(e)
    .innerJoin(r, eq(r.event_nid, e.event_nid))
    .where(eq(e.event_id, p.eventId))
})
const findAnnotation = query<{ parent: string; senderNid: number; key: string; roomNid: number }>('findAnnotation')(({
  db,
  t,
  p,
}) => {
  const r = t(relations)
  return db
    .select({ eventNid: r.event_nid })
    .from(r)
    .where(
      and(
        eq(r.parent_event_id, p.parent),
        eq(r.rel_type, 'm.annotation'),
        eq(r.sender_nid, p.senderNid),
        eq(r.aggregation_key, p.key),
        eq(r.room_nid, p.roomNid),
      ),
    )
})

/** A relation of an event to another. */
export interface NewRelation {
  readonly eventNid: number
  readonly roomNid: number
  readonly parent: EventId
  readonly relType: string
  /** `key` of an annotation. */
  readonly key: string | null
  readonly senderNid: number
}

/** Stores the relation of an event. */
export async function insertRelation(tx: Tx, relation: NewRelation): Promise<void> {
  await insert(tx, { ...relation })
}

/** Drops the relation of an event that was redacted. */
export async function deleteRelation(tx: Tx, eventNid: number): Promise<void> {
  await remove(tx, { eventNid })
}

/** What an event itself relates to, undefined where it relates to nothing or is not stored. */
export function findRelationOf(conn: Conn, eventId: EventId): Promise<{ relType: string; parent: string } | undefined> {
  return findOf.first(conn, { eventId })
}

/** A user's annotation of an event with this key, as row id. */
export async function findAnnotationBy(
  conn: Conn,
  annotation: { readonly parent: EventId; readonly senderNid: number; readonly key: string; readonly roomNid: number },
): Promise<number | undefined> {
  return (await findAnnotation.first(conn, annotation))?.eventNid
}
