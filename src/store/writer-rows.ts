import { asc, eq } from 'drizzle-orm'
import { writers } from '../../schema/tables/streams.ts'
import type { Conn } from './database.ts'
import { query, sqlQuery } from './query.ts'

/** The last position of every writer. */
export const listPositions = query('listPositions')(({ db, t }) => {
  const { writer_nid, position } = t(writers)
  return db.select({ writer_nid, position }).from(t(writers)).orderBy(asc(writer_nid))
})

/** The row of one writer. */
export const findWriter = query<{ nid: number }>('findWriter')(({ db, t, p }) =>
  db
    .select()
    .from(t(writers))
    .where(eq(t(writers).writer_nid, p.nid)),
)

const live = sqlQuery<object, { writer_nid: number }>('listLiveWriters', {
  // one process has the database to itself
  sqlite: 'select writer_nid from writers where writer_nid = 1',
  postgres: `select writer_nid from writers where lease_until_ts >= (extract(epoch from clock_timestamp()) * 1000)::bigint`,
})

/** The writers whose processes live. */
export async function listLiveWriters(conn: Conn): Promise<number[]> {
  return (await live(conn)).map(({ writer_nid: nid }) => nid)
}
