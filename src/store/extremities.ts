import { and, eq } from 'drizzle-orm'
import { backward_extremities, events, forward_extremities } from '../../schema/tables/events.ts'
import type { EventId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { query } from './query.ts'

const list = query<{ roomNid: number }>('listForwardExtremities')(({ db, t, p }) => {
  const [f, e] = [t(forward_extremities), t(events)]
  return db
    .select({ eventNid: e.event_nid, eventId: e.event_id, depth: e.depth, stateAfter: e.state_after })
    .from(f)
    .innerJoin(e, eq(e.event_nid, f.event_nid))
    .where(eq(f.room_nid, p.roomNid))
    .orderBy(e.event_nid)
})
const insert = query<{ roomNid: number; eventNid: number }>('insertForwardExtremity')(({ db, t, p }) =>
  db.insert(t(forward_extremities)).values({ room_nid: p.roomNid, event_nid: p.eventNid }).onConflictDoNothing(),
)
const replace = query<{ roomNid: number; oldNid: number; newNid: number }>('replaceForwardExtremity')(({
  db,
  t,
  p,
}) => {
  const f = t(forward_extremities)
  return db
    .update(f)
    .set({ event_nid: p.newNid })
    .where(and(eq(f.room_nid, p.roomNid), eq(f.event_nid, p.oldNid)))
})
const remove = query<{ roomNid: number; nids: readonly number[] }>('deleteForwardExtremities')(({
  db,
  t,
  p,
  anyOf,
}) => {
  const f = t(forward_extremities)
  return db.delete(f).where(and(eq(f.room_nid, p.roomNid), anyOf(f.event_nid, p.nids)))
})
const insertBackward = insertMany(
  'insertBackwardExtremities',
  backward_extremities,
  ['room_nid', 'event_id', 'referrer_nid'],
  {
    onConflict: 'nothing',
  },
)
const findBackward = query<{ roomNid: number; eventId: string }>('listReferrers')(({ db, t, p }) => {
  const b = t(backward_extremities)
  return db
    .select({ referrerNid: b.referrer_nid })
    .from(b)
    .where(and(eq(b.room_nid, p.roomNid), eq(b.event_id, p.eventId)))
})
const removeBackward = query<{ roomNid: number; eventId: string }>('deleteBackwardExtremity')(({ db, t, p }) => {
  const b = t(backward_extremities)
  return db.delete(b).where(and(eq(b.room_nid, p.roomNid), eq(b.event_id, p.eventId)))
})
const listBackward = query<{ roomNid: number }>('listBackwardExtremities')(({ db, t, p }) => {
  const [b, e] = [t(backward_extremities), t(events)]
  return db
    .select({ eventId: b.event_id, referrerNid: b.referrer_nid, referrerId: e.event_id, ord: e.ord, depth: e.depth })
    .from(b)
    .innerJoin(e, eq(e.event_nid, b.referrer_nid))
    .where(eq(b.room_nid, p.roomNid))
})

/** The newest events of a room, by ascending row id. */
export async function listForwardExtremities(
  conn: Conn,
  roomNid: number,
): Promise<{ eventNid: number; eventId: EventId; depth: number; stateAfter: number }[]> {
  const rows = await list(conn, { roomNid })
  return rows.map((row) => ({ ...row, eventId: row.eventId as EventId, stateAfter: row.stateAfter ?? 0 }))
}

/** Makes `newNid` an extremity and the others none. */
export async function putForwardExtremities(
  tx: Tx,
  change: { readonly roomNid: number; readonly removed: readonly number[]; readonly added: number | undefined },
): Promise<void> {
  const { roomNid, removed, added } = change
  const [only] = removed
  if (added !== undefined && only !== undefined && removed.length === 1) {
    await replace(tx, { roomNid, oldNid: only, newNid: added })
    return
  }
  if (removed.length > 0) await remove(tx, { roomNid, nids: removed })
  if (added !== undefined) await insert(tx, { roomNid, eventNid: added })
}

/** Notes that an event names predecessors that are not stored. */
export async function insertBackwardExtremities(
  tx: Tx,
  roomNid: number,
  referrerNid: number,
  eventIds: readonly EventId[],
): Promise<void> {
  await insertBackward(
    tx,
    eventIds.map((eventId) => ({ room_nid: roomNid, event_id: eventId, referrer_nid: referrerNid })),
  )
}

/** The stored events that name this event as a predecessor while it was missing. */
export async function listReferrers(conn: Conn, roomNid: number, eventId: EventId): Promise<number[]> {
  return (await findBackward(conn, { roomNid, eventId })).map(({ referrerNid }) => referrerNid)
}

/** Notes that a missing event has come. */
export async function deleteBackwardExtremity(tx: Tx, roomNid: number, eventId: EventId): Promise<void> {
  await removeBackward(tx, { roomNid, eventId })
}

/** A missing event, and a stored one that names it. */
export interface BackwardExtremity {
  readonly eventId: EventId
  readonly referrerNid: number
  readonly referrerId: EventId
  readonly ord: number | null
  readonly depth: number
}

/** Where the room's history is not complete. */
export async function listBackwardExtremities(conn: Conn, roomNid: number): Promise<BackwardExtremity[]> {
  return (await listBackward(conn, { roomNid })).map((row) => ({
    ...row,
    eventId: row.eventId as EventId,
    referrerId: row.referrerId as EventId,
  }))
}
