import { eq } from 'drizzle-orm'
import { users } from '../../schema/tables/users.ts'
import type { UserId } from '../protocol/ids.ts'
import { serverNameOf } from '../protocol/ids.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { query } from './query.ts'
import { putServer } from './servers.ts'

const findById = query<{ userId: string }>('findUserById')(({ db, t, p }) =>
  db
    .select({ nid: t(users).user_nid })
    .from(t(users))
    .where(eq(t(users).user_id, p.userId)),
)
const findByNid = query<{ nid: number }>('findUserByNid')(({ db, t, p }) =>
  db
    .select({ userId: t(users).user_id })
    .from(t(users))
    .where(eq(t(users).user_nid, p.nid)),
)
const listByIds = query<{ userIds: readonly string[] }>('listUsersByIds')(({ db, t, p, anyOf }) =>
  db
    .select({ nid: t(users).user_nid, userId: t(users).user_id, serverNid: t(users).server_nid })
    .from(t(users))
    .where(anyOf(t(users).user_id, p.userIds)),
)
const listByNids = query<{ nids: readonly number[] }>('listUsersByNids')(({ db, t, p, anyOf }) =>
  db
    .select({ nid: t(users).user_nid, userId: t(users).user_id, serverNid: t(users).server_nid })
    .from(t(users))
    .where(anyOf(t(users).user_nid, p.nids)),
)
const insert = query<{ userId: string; serverNid: number }>('insertUser')(({ db, t, p }) =>
  db
    .insert(t(users))
    .values({ user_id: p.userId, server_nid: p.serverNid })
    .onConflictDoNothing()
    .returning({ nid: t(users).user_nid }),
)
const insertRows = insertMany('insertUsers', users, ['user_id', 'server_nid'], { onConflict: 'nothing' })
const markReturned = query<{ nid: number; ts: number }>('markUserReturned')(({ db, t, p }) =>
  db
    .update(t(users))
    .set({ returned_ts: p.ts })
    .where(eq(t(users).user_nid, p.nid)),
)

/** A row of `users`, in the names of the code. */
export interface UserRow {
  readonly nid: number
  readonly userId: UserId
  readonly serverNid: number
}

/** The row id of a user, undefined where no row names them. */
export async function findUserNid(conn: Conn, userId: UserId): Promise<number | undefined> {
  return (await findById.first(conn, { userId }))?.nid
}

/** The user behind a row id. */
export async function findUserId(conn: Conn, nid: number): Promise<UserId | undefined> {
  return (await findByNid.first(conn, { nid }))?.userId as UserId | undefined
}

/** The row id of a user, made when they have none. */
export async function putUser(tx: Tx, userId: UserId): Promise<number> {
  const nid = await findUserNid(tx, userId)
  if (nid !== undefined) return nid
  const serverNid = await putServer(tx, serverNameOf(userId))
  const made = (await insert.first(tx, { userId, serverNid })) ?? (await findById.first(tx, { userId }))
  if (made === undefined) throw new Error('a user that was just interned is missing')
  return made.nid
}

/** The row ids of users, made for those who have none: one statement each way, plus one for each new server. */
export async function putUsers(tx: Tx, userIds: Iterable<UserId>): Promise<Map<UserId, number>> {
  const wanted = [...new Set(userIds)]
  const found = await listUserNids(tx, wanted)
  const missing = wanted.filter((userId) => !found.has(userId))
  if (missing.length === 0) return found
  const serverNids = new Map<string, number>()
  for (const server of new Set(missing.map((userId) => serverNameOf(userId))))
    serverNids.set(server, await putServer(tx, server))
  await insertRows(
    tx,
    missing.map((userId) => ({ user_id: userId, server_nid: serverNids.get(serverNameOf(userId)) as number })),
  )
  return listUserNids(tx, wanted)
}

/** The row ids of those of the users who have one. */
export async function listUserNids(conn: Conn, userIds: readonly UserId[]): Promise<Map<UserId, number>> {
  if (userIds.length === 0) return new Map()
  return new Map((await listByIds(conn, { userIds })).map(({ userId, nid }) => [userId as UserId, nid]))
}

/** The users behind row ids, by row id. */
export async function listUsers(conn: Conn, nids: readonly number[]): Promise<Map<number, UserRow>> {
  if (nids.length === 0) return new Map()
  return new Map((await listByNids(conn, { nids })).map((row) => [row.nid, { ...row, userId: row.userId as UserId }]))
}

/** Notes that an erased user of another server is active again: what they send from `ts` on is normal. */
export async function putUserReturned(tx: Tx, nid: number, ts: number): Promise<void> {
  await markReturned(tx, { nid, ts })
}
