import { and, eq, sql } from 'drizzle-orm'
import type { Json as JsonText } from '../../schema/kit.ts'
import { filters } from '../../schema/tables/users.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

const find = query<{ userNid: number; filterNid: number }>('find_filter')(({ db, t, p }) =>
  db
    .select({ filter: t(filters).filter })
    .from(t(filters))
    .where(and(eq(t(filters).user_nid, p.userNid), eq(t(filters).filter_nid, p.filterNid))),
)

const findEqual = query<{ userNid: number; filter: JsonText<unknown> }>('find_equal_filter')(({ db, t, p }) =>
  db
    .select({ filter_nid: t(filters).filter_nid })
    .from(t(filters))
    .where(and(eq(t(filters).user_nid, p.userNid), eq(t(filters).filter, p.filter)))
    .limit(1),
)

const counted = query<{ userNid: number }>('count_filters')(({ db, t, p }) =>
  db
    .select({ count: sql<number>`count(*)`.mapWith(Number) })
    .from(t(filters))
    .where(eq(t(filters).user_nid, p.userNid)),
)

const insert = query<{ userNid: number; filter: JsonText<unknown> }>('insert_filter')(({ db, t, p }) =>
  db
    .insert(t(filters))
    .values({ user_nid: p.userNid, filter: p.filter })
    .returning({ filter_nid: t(filters).filter_nid }),
)

/** A user's filter, as serialised JSON, or undefined. */
export async function findFilter(conn: Conn, userNid: number, filterNid: number): Promise<string | undefined> {
  return (await find.first(conn, { userNid, filterNid }))?.filter
}

/** The number of a filter of this very text, or undefined. */
export async function findEqualFilter(conn: Conn, userNid: number, filter: string): Promise<number | undefined> {
  return (await findEqual.first(conn, { userNid, filter }))?.filter_nid
}

/** How many filters a user stored. */
export async function countFilters(conn: Conn, userNid: number): Promise<number> {
  return (await counted.first(conn, { userNid }))?.count ?? 0
}

/** Stores a filter (serialised JSON); gives its number. */
export async function insertFilter(tx: Tx, userNid: number, filter: string): Promise<number> {
  const [row] = await insert(tx, { userNid, filter })
  if (row === undefined) throw new Error('insert_filter gave no row')
  return row.filter_nid
}
