import { asc, desc, gt } from 'drizzle-orm'
import { journal_lines } from '../../schema/tables/erasure.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { query } from './query.ts'

const after = query<{ seq: number }>('listJournalLines')(({ db, t, p }) =>
  db
    .select()
    .from(t(journal_lines))
    .where(gt(t(journal_lines).seq, p.seq))
    .orderBy(asc(t(journal_lines).seq))
    .limit(500),
)
const last = query('lastJournalLine')(({ db, t }) =>
  db
    .select()
    .from(t(journal_lines))
    .orderBy(desc(t(journal_lines).seq))
    .limit(1),
)
const insert = insertMany('insertJournalLines', journal_lines, ['seq', 'line'])

/** A line of the shared journal; `line` is its text. */
export interface JournalLineRow {
  readonly seq: number
  readonly line: string
}

/** The next lines after a number, at most 500, in order. */
export function listJournalLines(conn: Conn, seq: number): Promise<JournalLineRow[]> {
  return after(conn, { seq })
}

/** The newest line, undefined where there is none. */
export function findLastJournalLine(conn: Conn): Promise<JournalLineRow | undefined> {
  return last.first(conn)
}

/** Adds lines; throws UniqueViolation where another process took one of the numbers. */
export async function insertJournalLines(tx: Tx, lines: readonly JournalLineRow[]): Promise<void> {
  await insert(tx, lines)
}
