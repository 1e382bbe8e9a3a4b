import { and, asc, eq, gt, isNotNull, isNull, sql } from 'drizzle-orm'
import { accounts, users } from '../../schema/tables/users.ts'
import type { UserId } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { query, sqlQuery } from './query.ts'
import type { Engine } from './statement.ts'

/** What an account is for. */
export type AccountKind = 'user' | 'guest' | 'appservice'

/** A local account with the id of its user. */
export interface AccountRow {
  readonly user_nid: number
  readonly user_id: UserId
  readonly password_hash: string | null
  readonly pepper_id: string | null
  readonly kind: AccountKind
  readonly admin: boolean
  readonly created_ts: number
  readonly deactivated_ts: number | null
  readonly locked: boolean
  readonly suspended: boolean
  readonly erased_ts: number | null
}

// the same names on both engines; typed as SQLite's
function columnsOf(engine: Engine) {
  const a = accounts[engine]
  const u = users[engine]
  return {
    user_nid: a.user_nid,
    user_id: u.user_id,
    password_hash: a.password_hash,
    pepper_id: a.pepper_id,
    kind: a.kind,
    admin: a.admin,
    created_ts: a.created_ts,
    deactivated_ts: a.deactivated_ts,
    locked: a.locked,
    suspended: a.suspended,
    erased_ts: u.erased_ts,
  }
}

const byNid = query<{ userNid: number }>('find_account')(({ engine, db, t, p }) =>
  db
    .select(columnsOf(engine))
    .from(t(accounts))
    .innerJoin(t(users), eq(t(users).user_nid, t(accounts).user_nid))
    .where(eq(t(accounts).user_nid, p.userNid)),
)

const byId = query<{ userId: string }>('find_account_by_user_id')(({ engine, db, t, p }) =>
  db
    .select(columnsOf(engine))
    .from(t(accounts))
    .innerJoin(t(users), eq(t(users).user_nid, t(accounts).user_nid))
    .where(eq(t(users).user_id, p.userId)),
)

const page = query<{ after: number; limit: number }>('list_accounts')(({ engine, db, t, p }) =>
  db
    .select(columnsOf(engine))
    .from(t(accounts))
    .innerJoin(t(users), eq(t(users).user_nid, t(accounts).user_nid))
    .where(gt(t(accounts).user_nid, p.after))
    .orderBy(asc(t(accounts).user_nid))
    .limit(p.limit),
)

const insert = query<{
  userNid: number
  hash: string | null
  pepperId: string | null
  kind: string
  admin: boolean
  ts: number
}>('insert_account')(({ db, t, p }) =>
  db
    .insert(t(accounts))
    .values({
      user_nid: p.userNid,
      password_hash: p.hash,
      pepper_id: p.pepperId,
      kind: p.kind,
      admin: p.admin,
      created_ts: p.ts,
      deactivated_ts: null,
      locked: false,
      suspended: false,
      application_service_id: null,
    })
    .onConflictDoNothing(),
)

const setPassword = query<{ userNid: number; hash: string | null; pepperId: string | null }>('put_password')(
  ({ db, t, p }) =>
    db
      .update(t(accounts))
      .set({ password_hash: p.hash, pepper_id: p.pepperId })
      .where(and(eq(t(accounts).user_nid, p.userNid), isNull(t(accounts).deactivated_ts))),
)

const setFlags = query<{ userNid: number; locked: boolean; suspended: boolean; admin: boolean }>('put_account_flags')(
  ({ db, t, p }) =>
    db
      .update(t(accounts))
      .set({ locked: p.locked, suspended: p.suspended, admin: p.admin })
      .where(and(eq(t(accounts).user_nid, p.userNid), isNull(t(accounts).deactivated_ts))),
)

const setDeactivated = query<{ userNid: number; ts: number }>('put_account_deactivated')(({ db, t, p }) =>
  db
    .update(t(accounts))
    .set({
      deactivated_ts: sql`coalesce(${t(accounts).deactivated_ts}, ${p.ts})`,
      password_hash: null,
      pepper_id: null,
      admin: false,
    })
    .where(eq(t(accounts).user_nid, p.userNid)),
)

const peppers = query('list_pepper_ids')(({ db, t }) =>
  db
    .selectDistinct({ pepper_id: t(accounts).pepper_id })
    .from(t(accounts))
    .where(isNotNull(t(accounts).pepper_id)),
)

const counted = query('count_accounts')(({ db, t }) =>
  db
    .select({ count: sql<number>`count(*)`.mapWith(Number) })
    .from(t(accounts))
    .where(isNull(t(accounts).deactivated_ts)),
)

const erased = query<{ userId: string }>('find_erased_user')(({ db, t, p }) =>
  db
    .select({ erased_ts: t(users).erased_ts, returned_ts: t(users).returned_ts })
    .from(t(users))
    .where(and(eq(t(users).user_id, p.userId), isNotNull(t(users).erased_ts))),
)

const stillThere = sqlQuery<{ after: number; limit: number }, { user_nid: number; user_id: UserId }>(
  'list_deactivated_members',
  `select a.user_nid, u.user_id from accounts a join users u on u.user_nid = a.user_nid
   where a.user_nid > :after and a.deactivated_ts is not null and u.erased_ts is null and exists (
     select 1 from memberships m where m.user_nid = a.user_nid and m.membership in ('join', 'invite', 'knock'))
   order by a.user_nid limit :limit`,
)

/** The account of a user by number, or undefined where the user is none of ours. */
export async function findAccount(conn: Conn, userNid: number): Promise<AccountRow | undefined> {
  return (await byNid.first(conn, { userNid })) as AccountRow | undefined
}

/** The account of a user by id, exactly as written, or undefined. */
export async function findAccountByUserId(conn: Conn, userId: string): Promise<AccountRow | undefined> {
  return (await byId.first(conn, { userId })) as AccountRow | undefined
}

/** Accounts by number, those after `after`, at most `limit`; deactivated ones too. */
export async function listAccounts(conn: Conn, after: number, limit: number): Promise<AccountRow[]> {
  return (await page(conn, { after, limit })) as AccountRow[]
}

/** How many accounts are not deactivated. */
export async function countAccounts(conn: Conn): Promise<number> {
  return (await counted.first(conn))?.count ?? 0
}

/** What a new account starts with; `password` undefined: it cannot log in by password. */
export interface NewAccount {
  readonly userNid: number
  readonly password: { readonly hash: string; readonly pepperId: string } | undefined
  readonly kind: AccountKind
  readonly admin: boolean
  readonly ts: number
}

/** Makes an account; false where the user has one already. */
export async function insertAccount(tx: Tx, account: NewAccount): Promise<boolean> {
  const { userNid, password, kind, admin, ts } = account
  const made = await insert(tx, {
    userNid,
    hash: password?.hash ?? null,
    pepperId: password?.pepperId ?? null,
    kind,
    admin,
    ts,
  })
  return made > 0
}

/** Replaces the password hash; false where the account is deactivated. */
export async function putPassword(
  tx: Tx,
  userNid: number,
  password: { hash: string; pepperId: string },
): Promise<boolean> {
  return (await setPassword(tx, { userNid, ...password })) > 0
}

/** Sets what an operator decides of an account; false where it is deactivated. */
export async function putAccountFlags(
  tx: Tx,
  userNid: number,
  flags: { readonly locked: boolean; readonly suspended: boolean; readonly admin: boolean },
): Promise<boolean> {
  const { locked, suspended, admin } = flags
  return (await setFlags(tx, { userNid, locked, suspended, admin })) > 0
}

/** Ends an account for ever: no password, no power. An earlier moment of deactivation stays. */
export async function putAccountDeactivated(tx: Tx, userNid: number, ts: number): Promise<void> {
  await setDeactivated(tx, { userNid, ts })
}

/** Which peppers stored hashes were made with. */
export async function listPepperIds(conn: Conn): Promise<string[]> {
  return (await peppers(conn)).flatMap(({ pepper_id: id }) => (id === null ? [] : [id]))
}

/** Whether a user, local or remote, is erased and has not come back since. */
export async function isErasedUser(conn: Conn, userId: string): Promise<boolean> {
  const row = await erased.first(conn, { userId })
  return row !== undefined && row.returned_ts === null
}

/**
 * Accounts that were deactivated, not erased, and are still in a room, invited or knocking: at most `limit`, by ascending
 * row id, those after `after`.
 */
export async function listDeactivatedMembers(
  conn: Conn,
  after: number,
  limit: number,
): Promise<{ userNid: number; userId: UserId }[]> {
  return (await stillThere(conn, { after, limit })).map(({ user_nid: userNid, user_id: userId }) => ({
    userNid,
    userId,
  }))
}
