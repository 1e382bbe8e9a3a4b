import { eq } from 'drizzle-orm'
import { facts } from '../../schema/tables/erasure.ts'
import type { Conn, Tx } from './database.ts'
import { query, sqlRun } from './query.ts'

/** When something of an erased person was deleted outside of a job: the database is to be rewritten for it. */
export const deletedFact = 'deleted_ts'

const find = query<{ name: string }>('findFact')(({ db, t, p }) =>
  db
    .select({ value: t(facts).value })
    .from(t(facts))
    .where(eq(t(facts).name, p.name)),
)
const put = query<{ name: string; value: string }>('putFact')(({ db, t, p, excluded }) =>
  db
    .insert(t(facts))
    .values({ name: p.name, value: p.value })
    .onConflictDoUpdate({ target: t(facts).name, set: { value: excluded(t(facts).value) } }),
)
const raise = sqlRun<{ name: string; value: string }>(
  'raiseFact',
  `insert into facts (name, value) values (:name, :value)
   on conflict (name) do update set value = excluded.value
   where cast(facts.value as bigint) < cast(excluded.value as bigint)`,
)

/** A fact about this database, undefined where it was never written. */
export async function findFact(conn: Conn, name: string): Promise<string | undefined> {
  return (await find.first(conn, { name }))?.value
}

/** Writes a fact. */
export async function putFact(tx: Tx, name: string, value: string): Promise<void> {
  await put(tx, { name, value })
}

/** Writes a number that only grows; false where it was as high already. */
export async function raiseFact(tx: Tx, name: string, value: number): Promise<boolean> {
  return (await raise(tx, { name, value: String(value) })) > 0
}
