import { and, eq } from 'drizzle-orm'
import { redactions } from '../../schema/tables/events.ts'
import type { EventId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { query, sqlQuery } from './query.ts'

const insert = query<{ redactionNid: number; roomNid: number; redacts: string; senderNid: number; applied: boolean }>(
  'insertRedaction',
)(({ db, t, p }) =>
  db
    .insert(t(redactions))
    .values({
      redaction_nid: p.redactionNid,
      room_nid: p.roomNid,
      redacts: p.redacts,
      sender_nid: p.senderNid,
      applied: p.applied,
    })
    .onConflictDoNothing(),
)
const waiting = query<{ redacts: string }>('listWaitingRedactions')(({ db, t, p }) => {
  const r = t(redactions)
  return db
    .select()
    .from(r)
    .where(and(eq(r.redacts, p.redacts), eq(r.applied, false)))
    .orderBy(r.redaction_nid)
})
const awaited = query<{ ids: readonly string[] }>('listAwaitedRedactions')(({ db, t, p, anyOf }) => {
  const r = t(redactions)
  return db
    .selectDistinct({ redacts: r.redacts })
    .from(r)
    .where(and(anyOf(r.redacts, p.ids), eq(r.applied, false)))
})
const unapplied = query<{ nids: readonly number[] }>('listUnappliedRedactions')(({ db, t, p, anyOf }) => {
  const r = t(redactions)
  return db
    .select({ redaction_nid: r.redaction_nid })
    .from(r)
    .where(and(anyOf(r.redaction_nid, p.nids), eq(r.applied, false)))
})
const since = sqlQuery<{ roomNid: number; nid: number }, { event_nid: number }>(
  'listRedactedSince',
  `select e.event_nid from redactions r join events e on e.event_id = r.redacts
   where r.redaction_nid > :nid and r.room_nid = :roomNid and r.applied`,
)
const mark = query<{ redactionNid: number }>('markRedactionApplied')(({ db, t, p }) =>
  db
    .update(t(redactions))
    .set({ applied: true })
    .where(eq(t(redactions).redaction_nid, p.redactionNid)),
)

/** What a redaction event names. */
export interface NewRedaction {
  readonly redactionNid: number
  readonly roomNid: number
  readonly redacts: EventId
  readonly senderNid: number
  readonly applied: boolean
}

/** A row of `redactions`. */
export type RedactionRow = Awaited<ReturnType<typeof waiting>>[number]

/** Notes what a redaction event names. */
export async function insertRedaction(tx: Tx, redaction: NewRedaction): Promise<void> {
  await insert(tx, { ...redaction })
}

/** The stored redactions of an event that have not been applied, oldest first. */
export function listWaitingRedactions(conn: Conn, eventId: EventId): Promise<RedactionRow[]> {
  return waiting(conn, { redacts: eventId })
}

/** Notes that a redaction was applied. */
export async function putRedactionApplied(tx: Tx, redactionNid: number): Promise<void> {
  await mark(tx, { redactionNid })
}

/** Those of the events that stored redactions wait for. */
export async function listAwaited(conn: Conn, eventIds: readonly EventId[]): Promise<EventId[]> {
  return (await awaited(conn, { ids: eventIds })).map(({ redacts }) => redacts as EventId)
}

/** Events of a room that redactions newer than this row id were applied to. */
export async function listRedactedSince(conn: Conn, roomNid: number, nid: number): Promise<number[]> {
  return (await since(conn, { roomNid, nid })).map(({ event_nid }) => event_nid)
}

/** Which of these redaction events have not been applied: what they name is missing, or they may not. */
export async function listUnappliedRedactions(conn: Conn, redactionNids: readonly number[]): Promise<Set<number>> {
  if (redactionNids.length === 0) return new Set()
  return new Set((await unapplied(conn, { nids: redactionNids })).map((row) => row.redaction_nid))
}
