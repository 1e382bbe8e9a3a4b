import { eq } from 'drizzle-orm'
import { room_summaries } from '../../schema/tables/rooms.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

const find = query<{ roomNid: number }>('findSummary')(({ db, t, p }) =>
  db
    .select()
    .from(t(room_summaries))
    .where(eq(t(room_summaries).room_nid, p.roomNid)),
)
const insert = query<{ roomNid: number; writer: number; pos: number }>('insertSummary')(({ db, t, p }) =>
  db.insert(t(room_summaries)).values({ room_nid: p.roomNid, writer: p.writer, pos: p.pos }).onConflictDoNothing(),
)
const touch = query<{
  roomNid: number
  writer: number
  pos: number
  lastOrd: number
}>('touchSummary')(({ db, t, p }) =>
  db
    .update(t(room_summaries))
    .set({ writer: p.writer, pos: p.pos, last_ord: p.lastOrd })
    .where(eq(t(room_summaries).room_nid, p.roomNid)),
)
const bump = query<{
  roomNid: number
  writer: number
  pos: number
  lastOrd: number
  ts: number
}>('bumpSummary')(({ db, t, p }) =>
  db
    .update(t(room_summaries))
    .set({ writer: p.writer, pos: p.pos, last_ord: p.lastOrd, bump_ord: p.lastOrd, bump_ts: p.ts })
    .where(eq(t(room_summaries).room_nid, p.roomNid)),
)
const put = query<{ [K in keyof SummaryState]: SummaryState[K] } & { roomNid: number }>('putSummaryState')(
  ({ db, t, p }) =>
    db
      .update(t(room_summaries))
      .set({
        name: p.name,
        topic: p.topic,
        avatar_url: p.avatar_url,
        canonical_alias: p.canonical_alias,
        room_type: p.room_type,
        encryption: p.encryption,
        join_rule: p.join_rule,
        history_visibility: p.history_visibility,
        guest_access: p.guest_access,
        tombstone: p.tombstone,
        creator: p.creator,
        joined_count: p.joined_count,
        invited_count: p.invited_count,
        heroes: p.heroes,
      })
      .where(eq(t(room_summaries).room_nid, p.roomNid)),
)

/** A row of `room_summaries`. */
export type SummaryRow = NonNullable<Awaited<ReturnType<typeof find.first>>>

/** The part of a summary that follows from the room's state. */
export type SummaryState = Omit<SummaryRow, 'room_nid' | 'writer' | 'pos' | 'last_ord' | 'bump_ord' | 'bump_ts'>

/** What room lists show of a room. */
export function findSummary(conn: Conn, roomNid: number): Promise<SummaryRow | undefined> {
  return find.first(conn, { roomNid })
}

/** The summary of a new room. */
export async function insertSummary(tx: Tx, roomNid: number, pos: number): Promise<void> {
  await insert(tx, { roomNid, writer: tx.writerNid, pos })
}

/** Notes the newest live event; `bumpTs` when it moves the room up in a list. */
export async function touchSummary(
  tx: Tx,
  roomNid: number,
  newest: { readonly pos: number; readonly ord: number; readonly bumpTs: number | undefined },
): Promise<void> {
  const values = { roomNid, writer: tx.writerNid, pos: newest.pos, lastOrd: newest.ord }
  if (newest.bumpTs === undefined) await touch(tx, values)
  else await bump(tx, { ...values, ts: newest.bumpTs })
}

/** Writes what follows from the room's state. */
export async function putSummaryState(tx: Tx, roomNid: number, state: SummaryState): Promise<void> {
  await put(tx, { ...state, roomNid })
}
