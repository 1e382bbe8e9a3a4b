import { eq } from 'drizzle-orm'
import { tombstones } from '../../schema/tables/users.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

const find = query<{ localpart: string }>('find_tombstone')(({ db, t, p }) =>
  db
    .select()
    .from(t(tombstones))
    .where(eq(t(tombstones).localpart, p.localpart)),
)

const put = query<{ localpart: string; userId: string; reason: string; ts: number }>('put_tombstone')(({ db, t, p }) =>
  db
    .insert(t(tombstones))
    .values({ localpart: p.localpart, user_id: p.userId, reason: p.reason, created_ts: p.ts })
    .onConflictDoNothing(),
)

/** Why a name is never given out again (P5). */
export type TombstoneReason = 'deactivated' | 'erased' | 'reserved'

/** The form of a localpart under which its tombstone stands: ASCII letters in lower case. */
export function foldLocalpart(localpart: string): string {
  return localpart.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** Whether this localpart, whatever its case, is never given out again (P5). */
export async function isTombstoned(conn: Conn, localpart: string): Promise<boolean> {
  return (await find.first(conn, { localpart: foldLocalpart(localpart) })) !== undefined
}

/** Writes the tombstone of a name; one that exists stays as it is. */
export async function putTombstone(
  tx: Tx,
  tombstone: {
    readonly localpart: string
    readonly userId: string
    readonly reason: TombstoneReason
    readonly ts: number
  },
): Promise<void> {
  const { localpart, userId, reason, ts } = tombstone
  await put(tx, { localpart: foldLocalpart(localpart), userId, reason, ts })
}
