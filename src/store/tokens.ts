import { and, eq, isNotNull, lte, ne } from 'drizzle-orm'
import { access_tokens, accounts, refresh_tokens, users } from '../../schema/tables/users.ts'
import type { UserId } from '../protocol/ids.ts'
import type { AccountKind } from './accounts.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

/** An access token with the account it is for. */
export interface TokenRow {
  readonly user_nid: number
  readonly user_id: UserId
  readonly device_id: string | null
  readonly expires_ts: number | null
  /** the refresh token that made it, by hash */
  readonly refresh_hash: string | null
  readonly used: boolean
  readonly kind: AccountKind
  readonly admin: boolean
  readonly locked: boolean
  readonly suspended: boolean
  readonly deactivated_ts: number | null
  readonly erased_ts: number | null
}

/** A refresh token. */
export interface RefreshTokenRow {
  readonly token_hash: string
  readonly user_nid: number
  readonly device_id: string
  readonly family: string
  readonly expires_ts: number | null
  /** the refresh token that replaces it, by hash */
  readonly next_hash: string | null
  /** its successor, or the access token made with it, was used: it works no more */
  readonly used: boolean
}

const find = query<{ hash: string }>('find_access_token')(({ db, t, p }) =>
  db
    .select({
      user_nid: t(access_tokens).user_nid,
      user_id: t(users).user_id,
      device_id: t(access_tokens).device_id,
      expires_ts: t(access_tokens).expires_ts,
      refresh_hash: t(access_tokens).refresh_hash,
      used: t(access_tokens).used,
      kind: t(accounts).kind,
      admin: t(accounts).admin,
      locked: t(accounts).locked,
      suspended: t(accounts).suspended,
      deactivated_ts: t(accounts).deactivated_ts,
      erased_ts: t(users).erased_ts,
    })
    .from(t(access_tokens))
    .innerJoin(t(accounts), eq(t(accounts).user_nid, t(access_tokens).user_nid))
    .innerJoin(t(users), eq(t(users).user_nid, t(access_tokens).user_nid))
    .where(eq(t(access_tokens).token_hash, p.hash)),
)

const insert = query<{
  hash: string
  userNid: number
  deviceId: string | null
  ts: number
  expiresTs: number | null
  refreshHash: string | null
}>('insert_access_token')(({ db, t, p }) =>
  db.insert(t(access_tokens)).values({
    token_hash: p.hash,
    user_nid: p.userNid,
    device_id: p.deviceId,
    created_ts: p.ts,
    expires_ts: p.expiresTs,
    refresh_hash: p.refreshHash,
    used: false,
  }),
)

const markUsed = query<{ hash: string }>('put_access_token_used')(({ db, t, p }) =>
  db
    .update(t(access_tokens))
    .set({ used: true })
    .where(eq(t(access_tokens).token_hash, p.hash)),
)

const deleteOne = query<{ hash: string }>('delete_access_token')(({ db, t, p }) =>
  db.delete(t(access_tokens)).where(eq(t(access_tokens).token_hash, p.hash)),
)

const deleteMade = query<{ refreshHash: string }>('delete_access_tokens_made_with')(({ db, t, p }) =>
  db.delete(t(access_tokens)).where(eq(t(access_tokens).refresh_hash, p.refreshHash)),
)

const deleteOthers = query<{ userNid: number; deviceId: string; hash: string }>('delete_other_access_tokens')(
  ({ db, t, p }) =>
    db
      .delete(t(access_tokens))
      .where(
        and(
          eq(t(access_tokens).user_nid, p.userNid),
          eq(t(access_tokens).device_id, p.deviceId),
          ne(t(access_tokens).token_hash, p.hash),
        ),
      ),
)

const accessOfDevices = query<{ userNid: number; deviceIds: readonly string[] }>('delete_device_access_tokens')(
  ({ db, t, p, anyOf }) =>
    db
      .delete(t(access_tokens))
      .where(and(eq(t(access_tokens).user_nid, p.userNid), anyOf(t(access_tokens).device_id, p.deviceIds))),
)

const refreshOfDevices = query<{ userNid: number; deviceIds: readonly string[] }>('delete_device_refresh_tokens')(
  ({ db, t, p, anyOf }) =>
    db
      .delete(t(refresh_tokens))
      .where(and(eq(t(refresh_tokens).user_nid, p.userNid), anyOf(t(refresh_tokens).device_id, p.deviceIds))),
)

const accessOfUser = query<{ userNid: number }>('delete_user_access_tokens')(({ db, t, p }) =>
  db.delete(t(access_tokens)).where(eq(t(access_tokens).user_nid, p.userNid)),
)

const refreshOfUser = query<{ userNid: number }>('delete_user_refresh_tokens')(({ db, t, p }) =>
  db.delete(t(refresh_tokens)).where(eq(t(refresh_tokens).user_nid, p.userNid)),
)

const findRefresh = query<{ hash: string }>('find_refresh_token')(({ db, t, p }) =>
  db
    .select()
    .from(t(refresh_tokens))
    .where(eq(t(refresh_tokens).token_hash, p.hash)),
)

const insertRefresh = query<{ hash: string; userNid: number; deviceId: string; family: string }>(
  'insert_refresh_token',
)(({ db, t, p }) =>
  db.insert(t(refresh_tokens)).values({
    token_hash: p.hash,
    user_nid: p.userNid,
    device_id: p.deviceId,
    family: p.family,
    expires_ts: null,
    next_hash: null,
    used: false,
  }),
)

const setNext = query<{ hash: string; next: string }>('put_next_refresh_token')(({ db, t, p }) =>
  db
    .update(t(refresh_tokens))
    .set({ next_hash: p.next })
    .where(eq(t(refresh_tokens).token_hash, p.hash)),
)

const retireOne = query<{ hash: string; forgetTs: number }>('put_refresh_token_used')(({ db, t, p }) =>
  db
    .update(t(refresh_tokens))
    .set({ used: true, expires_ts: p.forgetTs })
    .where(and(eq(t(refresh_tokens).token_hash, p.hash), eq(t(refresh_tokens).used, false))),
)

const retireBefore = query<{ family: string; next: string; forgetTs: number }>('put_previous_refresh_token_used')(
  ({ db, t, p }) =>
    db
      .update(t(refresh_tokens))
      .set({ used: true, expires_ts: p.forgetTs })
      .where(
        and(
          eq(t(refresh_tokens).family, p.family),
          eq(t(refresh_tokens).next_hash, p.next),
          eq(t(refresh_tokens).used, false),
        ),
      ),
)

const deleteRefresh = query<{ hash: string }>('delete_refresh_token')(({ db, t, p }) =>
  db.delete(t(refresh_tokens)).where(eq(t(refresh_tokens).token_hash, p.hash)),
)

const expiredAccess = query<{ now: number }>('delete_expired_access_tokens')(({ db, t, p }) =>
  db
    .delete(t(access_tokens))
    .where(and(isNotNull(t(access_tokens).expires_ts), lte(t(access_tokens).expires_ts, p.now))),
)

const expiredRefresh = query<{ now: number }>('delete_expired_refresh_tokens')(({ db, t, p }) =>
  db
    .delete(t(refresh_tokens))
    .where(and(isNotNull(t(refresh_tokens).expires_ts), lte(t(refresh_tokens).expires_ts, p.now))),
)

/** The access token of this hash, or undefined. */
export async function findAccessToken(conn: Conn, hash: string): Promise<TokenRow | undefined> {
  return (await find.first(conn, { hash })) as TokenRow | undefined
}

/** What a new access token starts with. */
export interface NewAccessToken {
  readonly hash: string
  readonly userNid: number
  readonly deviceId: string | null
  readonly ts: number
  readonly expiresTs: number | null
  readonly refreshHash: string | null
}

/** Stores an access token. */
export async function insertAccessToken(tx: Tx, token: NewAccessToken): Promise<void> {
  await insert(tx, token)
}

/** Notes that an access token was used for the first time. */
export async function putAccessTokenUsed(tx: Tx, hash: string): Promise<void> {
  await markUsed(tx, { hash })
}

/** Ends one access token. */
export async function deleteAccessToken(tx: Tx, hash: string): Promise<void> {
  await deleteOne(tx, { hash })
}

/** Ends the access tokens that a refresh token made; gives how many. */
export async function deleteAccessTokensMadeWith(tx: Tx, refreshHash: string): Promise<number> {
  return deleteMade(tx, { refreshHash })
}

/** Ends all access tokens of a device but one. */
export async function deleteOtherAccessTokens(tx: Tx, userNid: number, deviceId: string, hash: string): Promise<void> {
  await deleteOthers(tx, { userNid, deviceId, hash })
}

/** Ends all tokens of devices. */
export async function deleteTokensOfDevices(tx: Tx, userNid: number, deviceIds: readonly string[]): Promise<void> {
  await accessOfDevices(tx, { userNid, deviceIds })
  await refreshOfDevices(tx, { userNid, deviceIds })
}

/** Ends all tokens of a user. */
export async function deleteTokensOfUser(tx: Tx, userNid: number): Promise<void> {
  await accessOfUser(tx, { userNid })
  await refreshOfUser(tx, { userNid })
}

/** The refresh token of this hash, or undefined. */
export async function findRefreshToken(conn: Conn, hash: string): Promise<RefreshTokenRow | undefined> {
  return findRefresh.first(conn, { hash })
}

/** Stores a refresh token; `family` binds all that come from one log-in. */
export async function insertRefreshToken(
  tx: Tx,
  token: { readonly hash: string; readonly userNid: number; readonly deviceId: string; readonly family: string },
): Promise<void> {
  await insertRefresh(tx, token)
}

/** Says which refresh token replaces this one. */
export async function putNextRefreshToken(tx: Tx, hash: string, next: string): Promise<void> {
  await setNext(tx, { hash, next })
}

/** This refresh token works no more; the row stays until `forgetTs`, so that its reuse is noticed. */
export async function putRefreshTokenUsed(tx: Tx, hash: string, forgetTs: number): Promise<void> {
  await retireOne(tx, { hash, forgetTs })
}

/** The one that `next` replaced works no more. */
export async function putPreviousRefreshTokenUsed(
  tx: Tx,
  family: string,
  next: string,
  forgetTs: number,
): Promise<void> {
  await retireBefore(tx, { family, next, forgetTs })
}

/** Removes a refresh token. */
export async function deleteRefreshToken(tx: Tx, hash: string): Promise<void> {
  await deleteRefresh(tx, { hash })
}

/** Removes what expired; gives how many access tokens and refresh tokens. */
export async function deleteExpiredTokens(tx: Tx, now: number): Promise<number> {
  return (await expiredAccess(tx, { now })) + (await expiredRefresh(tx, { now }))
}
