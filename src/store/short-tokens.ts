import { and, eq, lte } from 'drizzle-orm'
import { short_tokens } from '../../schema/tables/users.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

/** `login`: good for one log-in; `openid`: proves to a third party who the user is. */
export type ShortTokenKind = 'login' | 'openid'

const find = query<{ hash: string; kind: string }>('find_short_token')(({ db, t, p }) =>
  db
    .select()
    .from(t(short_tokens))
    .where(and(eq(t(short_tokens).token_hash, p.hash), eq(t(short_tokens).kind, p.kind))),
)

const insert = query<{ hash: string; kind: string; userNid: number; expiresTs: number }>('insert_short_token')(
  ({ db, t, p }) =>
    db
      .insert(t(short_tokens))
      .values({ token_hash: p.hash, kind: p.kind, user_nid: p.userNid, expires_ts: p.expiresTs }),
)

const remove = query<{ hash: string }>('delete_short_token')(({ db, t, p }) =>
  db.delete(t(short_tokens)).where(eq(t(short_tokens).token_hash, p.hash)),
)

const ofUser = query<{ userNid: number }>('delete_user_short_tokens')(({ db, t, p }) =>
  db.delete(t(short_tokens)).where(eq(t(short_tokens).user_nid, p.userNid)),
)

const expired = query<{ now: number }>('delete_expired_short_tokens')(({ db, t, p }) =>
  db.delete(t(short_tokens)).where(lte(t(short_tokens).expires_ts, p.now)),
)

/** Whose token this is, or undefined where it is unknown, of another kind or expired at `now`. */
export async function findShortToken(
  conn: Conn,
  kind: ShortTokenKind,
  hash: string,
  now: number,
): Promise<number | undefined> {
  const row = await find.first(conn, { hash, kind })
  return row !== undefined && row.expires_ts > now ? row.user_nid : undefined
}

/** Stores a token by its hash. */
export async function insertShortToken(
  tx: Tx,
  token: { readonly hash: string; readonly kind: ShortTokenKind; readonly userNid: number; readonly expiresTs: number },
): Promise<void> {
  await insert(tx, token)
}

/** Uses a token up; false where somebody else did. */
export async function deleteShortToken(tx: Tx, hash: string): Promise<boolean> {
  return (await remove(tx, { hash })) > 0
}

/** Ends all short-lived tokens of a user. */
export async function deleteShortTokensOfUser(tx: Tx, userNid: number): Promise<void> {
  await ofUser(tx, { userNid })
}

/** Removes what expired. */
export async function deleteExpiredShortTokens(tx: Tx, now: number): Promise<number> {
  return expired(tx, { now })
}
