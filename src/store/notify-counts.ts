import { sqlQuery, sqlReturning } from './query.ts'
import type { Conn, Tx } from './database.ts'

const next = sqlReturning<{ roomNid: number; threadId: string; ord: number }, { notifying: number }>(
  'nextNotifyOrd',
  `insert into notify_counts (room_nid, thread_id, notifying, last_ord) values (:roomNid, :threadId, 1, :ord)
   on conflict (room_nid, thread_id) do update set notifying = notify_counts.notifying + 1, last_ord = excluded.last_ord
   returning notifying`,
)
const find = sqlQuery<{ roomNid: number; threadId: string }, { notifying: number }>(
  'findNotifyCount',
  'select notifying from notify_counts where room_nid = :roomNid and thread_id = :threadId',
)

/** Counts one more notifying event, at `ord`; `threadId` is `main` outside threads. Gives its number. */
export async function nextNotifyOrd(tx: Tx, roomNid: number, threadId: string, ord: number): Promise<number> {
  const row = await next.first(tx, { roomNid, threadId, ord })
  if (row === undefined) throw new Error('a counter that was moved is missing')
  return row.notifying
}

/** How many notifying events a thread has had. */
export async function findNotifyCount(conn: Conn, roomNid: number, threadId: string): Promise<number> {
  return (await find.first(conn, { roomNid, threadId }))?.notifying ?? 0
}
