import { eq, sql } from 'drizzle-orm'
import { epochs } from '../../schema/tables/streams.ts'
import type { Conn, Tx } from './database.ts'
import { query } from './query.ts'

/** Kinds of data that processes keep in memory and that one process can declare void for all. */
export type EpochName = 'sessions' | 'erasures'

const find = query<{ name: string }>('find_epoch')(({ db, t, p }) =>
  db
    .select({ value: t(epochs).value })
    .from(t(epochs))
    .where(eq(t(epochs).name, p.name)),
)

const bump = query<{ name: string }>('put_epoch')(({ db, t, p }) =>
  db
    .insert(t(epochs))
    .values({ name: p.name, value: 1 })
    .onConflictDoUpdate({ target: t(epochs).name, set: { value: sql`${t(epochs).value} + 1` } }),
)

/** How often this kind of data was declared void; whoever keeps some compares it before each use. */
export async function findEpoch(conn: Conn, name: EpochName): Promise<number> {
  return (await find.first(conn, { name }))?.value ?? 0
}

/** Declares this kind of data void, in every process, from the commit on. */
export async function bumpEpoch(tx: Tx, name: EpochName): Promise<void> {
  await bump(tx, { name })
}
