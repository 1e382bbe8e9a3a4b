import { and, eq, isNotNull, sql } from 'drizzle-orm'
import type { Json as JsonText } from '../../schema/kit.ts'
import { account_data } from '../../schema/tables/users.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

/** The `room_nid` of account data that belongs to no room. */
export const globalRoom = 0

/** One item of account data. */
export interface AccountDataRow {
  readonly user_nid: number
  readonly room_nid: number
  readonly type: string
  /** serialised JSON; null: deleted */
  readonly content: string | null
  readonly writer: number
  readonly pos: number
}

const find = query<{ userNid: number; roomNid: number; type: string }>('find_account_data')(({ db, t, p }) =>
  db
    .select()
    .from(t(account_data))
    .where(
      and(
        eq(t(account_data).user_nid, p.userNid),
        eq(t(account_data).room_nid, p.roomNid),
        eq(t(account_data).type, p.type),
        isNotNull(t(account_data).content),
      ),
    ),
)

const put = query<{
  userNid: number
  roomNid: number
  type: string
  content: JsonText<unknown> | null
  writer: number
  pos: number
}>('put_account_data')(({ db, t, p, excluded }) =>
  db
    .insert(t(account_data))
    .values({
      user_nid: p.userNid,
      room_nid: p.roomNid,
      type: p.type,
      content: p.content,
      writer: p.writer,
      pos: p.pos,
    })
    .onConflictDoUpdate({
      target: [t(account_data).user_nid, t(account_data).room_nid, t(account_data).type],
      set: {
        content: excluded(t(account_data).content),
        writer: excluded(t(account_data).writer),
        pos: excluded(t(account_data).pos),
      },
    }),
)

const size = query<{ userNid: number }>('count_account_data_bytes')(({ db, t, p }) =>
  db
    .select({ bytes: sql<number>`coalesce(sum(length(${t(account_data).content})), 0)`.mapWith(Number) })
    .from(t(account_data))
    .where(eq(t(account_data).user_nid, p.userNid)),
)

/** One item; `roomNid` is `globalRoom` for what belongs to no room. Undefined where there is none. */
export async function findAccountData(
  conn: Conn,
  userNid: number,
  roomNid: number,
  type: string,
): Promise<AccountDataRow | undefined> {
  return find.first(conn, { userNid, roomNid, type })
}

/** Sets an item, at a new position of the stream. `content` is serialised JSON, null to delete it. */
export async function putAccountData(
  tx: Tx,
  item: { readonly userNid: number; readonly roomNid: number; readonly type: string; readonly content: string | null },
): Promise<void> {
  await put(tx, { ...item, writer: tx.writerNid, pos: tx.nextPosition() })
}

/** How much account data a user has, in characters. */
export async function countAccountDataBytes(conn: Conn, userNid: number): Promise<number> {
  return (await size.first(conn, { userNid }))?.bytes ?? 0
}
