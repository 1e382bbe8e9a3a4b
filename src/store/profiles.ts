import { and, asc, eq } from 'drizzle-orm'
import type { Json as JsonText } from '../../schema/kit.ts'
import { profiles } from '../../schema/tables/users.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

const list = query<{ userNid: number }>('list_profile')(({ db, t, p }) =>
  db
    .select({ field: t(profiles).field, value: t(profiles).value })
    .from(t(profiles))
    .where(eq(t(profiles).user_nid, p.userNid))
    .orderBy(asc(t(profiles).field)),
)

const find = query<{ userNid: number; field: string }>('find_profile_field')(({ db, t, p }) =>
  db
    .select({ value: t(profiles).value })
    .from(t(profiles))
    .where(and(eq(t(profiles).user_nid, p.userNid), eq(t(profiles).field, p.field))),
)

const put = query<{ userNid: number; field: string; value: JsonText<unknown> }>('put_profile_field')(
  ({ db, t, p, excluded }) =>
    db
      .insert(t(profiles))
      .values({ user_nid: p.userNid, field: p.field, value: p.value })
      .onConflictDoUpdate({
        target: [t(profiles).user_nid, t(profiles).field],
        set: { value: excluded(t(profiles).value) },
      }),
)

const remove = query<{ userNid: number; field: string }>('delete_profile_field')(({ db, t, p }) =>
  db.delete(t(profiles)).where(and(eq(t(profiles).user_nid, p.userNid), eq(t(profiles).field, p.field))),
)

const removeAll = query<{ userNid: number }>('delete_profile')(({ db, t, p }) =>
  db.delete(t(profiles)).where(eq(t(profiles).user_nid, p.userNid)),
)

/** All fields of a user's profile; values are serialised JSON. */
export async function listProfile(conn: Conn, userNid: number): Promise<{ field: string; value: string }[]> {
  return list(conn, { userNid })
}

/** One field of a profile, as serialised JSON, or undefined. */
export async function findProfileField(conn: Conn, userNid: number, field: string): Promise<string | undefined> {
  return (await find.first(conn, { userNid, field }))?.value
}

/** Sets a field; `value` is serialised JSON. */
export async function putProfileField(tx: Tx, userNid: number, field: string, value: string): Promise<void> {
  await put(tx, { userNid, field, value })
}

/** Removes a field; false where there was none. */
export async function deleteProfileField(tx: Tx, userNid: number, field: string): Promise<boolean> {
  return (await remove(tx, { userNid, field })) > 0
}

/** Removes a whole profile. */
export async function deleteProfile(tx: Tx, userNid: number): Promise<void> {
  await removeAll(tx, { userNid })
}
