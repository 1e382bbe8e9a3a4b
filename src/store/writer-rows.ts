import { asc, eq } from 'drizzle-orm'
import { writers } from '../../schema/tables/streams.ts'
import { query } from './query.ts'

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
