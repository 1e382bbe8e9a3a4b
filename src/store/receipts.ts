import { and, eq } from 'drizzle-orm'
import { receipts } from '../../schema/tables/rooms.ts'
import type { Conn, Tx } from './database.ts'
import { query, sqlQuery, sqlRun } from './query.ts'
import { behindTable } from './sync.ts'
import type { Behind } from './sync.ts'

/** The `thread_id` of a receipt that is not threaded. */
export const unthreaded = ''

const find = query<{ roomNid: number; userNid: number; type: string; threadId: string }>('findReceipt')(({
  db,
  t,
  p,
}) => {
  const r = t(receipts)
  return db
    .select()
    .from(r)
    .where(and(eq(r.room_nid, p.roomNid), eq(r.user_nid, p.userNid), eq(r.type, p.type), eq(r.thread_id, p.threadId)))
})
const put = query<{
  roomNid: number
  userNid: number
  type: string
  threadId: string
  eventId: string
  ord: number | null
  ts: number
  writer: number
  pos: number
}>('putReceipt')(({ db, t, p, excluded }) => {
  const r = t(receipts)
  return db
    .insert(r)
    .values({
      room_nid: p.roomNid,
      user_nid: p.userNid,
      type: p.type,
      thread_id: p.threadId,
      event_id: p.eventId,
      ord: p.ord,
      ts: p.ts,
      writer: p.writer,
      pos: p.pos,
    })
    .onConflictDoUpdate({
      target: [r.room_nid, r.user_nid, r.type, r.thread_id],
      set: {
        event_id: excluded(r.event_id),
        ord: excluded(r.ord),
        ts: excluded(r.ts),
        writer: excluded(r.writer),
        pos: excluded(r.pos),
      },
    })
})
const touch = sqlRun<{ roomNid: number; writer: number; pos: number }>(
  'touchReceiptPosition',
  `insert into room_receipt_positions (room_nid, writer, pos) values (:roomNid, :writer, :pos)
   on conflict (room_nid, writer) do update set pos = excluded.pos`,
)
const columns =
  'x.user_nid as user_nid, u.user_id as user_id, x.type as type, x.thread_id as thread_id, x.event_id as event_id, x.ts as ts'
const since = sqlQuery<{ roomNid: number; behind: Behind }, ShownReceipt>(
  'listReceiptsSince',
  ({ engine }) => `${behindTable(engine)}
    select ${columns} from v cross join receipts x join users u on u.user_nid = x.user_nid
    where x.room_nid = :roomNid and x.writer = v.writer and x.pos > v.pos`,
)
const newest = sqlQuery<{ roomNid: number; userNid: number; most: number }, ShownReceipt>(
  'listNewestReceipts',
  `select ${columns} from receipts x join users u on u.user_nid = x.user_nid
   where x.room_nid = :roomNid and (x.type <> 'm.read.private' or x.user_nid = :userNid) order by x.ord desc limit :most`,
)
const own = sqlQuery<{ userNid: number; roomNids: readonly number[] }, OwnReceipt>(
  'listOwnReceipts',
  ({ list }) => `select room_nid, thread_id, ord from receipts
    where user_nid = :userNid and room_nid in ${list('roomNids', 'int')} and type in ('m.read', 'm.read.private') and ord is not null`,
)
const ownInRoom = sqlQuery<{ userNid: number; roomNid: number }, OwnReceipt>(
  'listOwnReceiptsInRoom',
  `select room_nid, thread_id, ord from receipts
   where room_nid = :roomNid and user_nid = :userNid and type in ('m.read', 'm.read.private') and ord is not null`,
)

/** A receipt as others see it. */
export interface ShownReceipt {
  readonly user_nid: number
  readonly user_id: string
  readonly type: string
  /** `unthreaded`, `main` or a thread's root */
  readonly thread_id: string
  readonly event_id: string
  readonly ts: number
}

/** How far somebody has read, by `ord`. */
export interface OwnReceipt {
  readonly room_nid: number
  readonly thread_id: string
  readonly ord: number
}

/** A row of `receipts`. */
export type ReceiptRow = NonNullable<Awaited<ReturnType<typeof find.first>>>

/** What names a receipt. */
export interface ReceiptKey {
  readonly roomNid: number
  readonly userNid: number
  readonly type: string
  readonly threadId: string
}

/** A user's receipt, undefined where there is none. */
export function findReceipt(conn: Conn, key: ReceiptKey): Promise<ReceiptRow | undefined> {
  return find.first(conn, { ...key })
}

/** Sets a receipt, at a new position of the stream; the caller has checked that it goes forward. */
export async function putReceipt(
  tx: Tx,
  key: ReceiptKey,
  to: { readonly eventId: string; readonly ord: number | null; readonly ts: number },
): Promise<void> {
  const { writerNid: writer } = tx
  const pos = tx.nextPosition()
  await put(tx, { ...key, ...to, writer, pos })
  await touch(tx, { roomNid: key.roomNid, writer, pos })
}

/** The receipts of a room since a place: everybody's, and the private ones too, which are only for whom they are of. */
export function listReceiptsSince(conn: Conn, roomNid: number, behind: Behind): Promise<ShownReceipt[]> {
  return since(conn, { roomNid, behind })
}

/** The receipts at the newest events of a room, of others only the public ones. */
export function listNewestReceipts(
  conn: Conn,
  roomNid: number,
  userNid: number,
  most: number,
): Promise<ShownReceipt[]> {
  return newest(conn, { roomNid, userNid, most })
}

/** How far a user has read in some rooms. */
export async function listOwnReceipts(conn: Conn, userNid: number, roomNids: readonly number[]): Promise<OwnReceipt[]> {
  const [only] = roomNids
  if (roomNids.length === 1 && only !== undefined) return ownInRoom(conn, { userNid, roomNid: only })
  return own(conn, { userNid, roomNids })
}
