import { rename } from 'node:fs/promises'
import type { Database } from '../store/database.ts'
import { findFact } from '../store/facts.ts'
import { insertJournalLines, listJournalLines } from '../store/journal-lines.ts'
import type { Config } from '../util/config.ts'
import type { Log } from '../util/log.ts'
import type { Clock } from '../util/ports.ts'
import { ErasureJournal, journalFact } from './erasure-journal.ts'
import { formatLine, Journal, JournalDamaged } from './journal.ts'

/** The journal lacks lines that the database knows, or cannot be read: nothing may be served. */
export class JournalLost extends Error {
  override name = 'JournalLost'
}

/** What opening the journal needs. */
export interface JournalOptions {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly config: Pick<Config, 'erasure'>
  /** the operator takes the loss of lines upon them (`--accept-journal-loss`) */
  readonly acceptsLoss?: boolean
  /** a line cannot be synced: the process must end */
  readonly onFatal: (error: Error) => void
}

/**
 * Opens the journal of erasures, made when missing, and compares it with the database: a journal that is behind is an
 * older or another one. Throws JournalLost. `preparePrivacy` replays what the database lacks.
 */
export async function openErasureJournal(options: JournalOptions): Promise<ErasureJournal> {
  const { database, config, acceptsLoss = false } = options
  const file = await openFile(config.erasure.journal.path, options)
  const journal = new ErasureJournal(file, database, options.clock)
  if (database.engine === 'postgres') await shareLines(journal, database)
  const known = Number((await database.read((conn) => findFact(conn, journalFact))) ?? 0)
  if (known > file.lastSeq && !acceptsLoss) {
    await journal.close()
    throw new JournalLost(
      `the journal of erasures ends at line ${file.lastSeq}, the database knows line ${known}: put the right journal back, or start once with --accept-journal-loss`,
    )
  }
  return journal
}

async function openFile(path: string, { clock, log, onFatal, acceptsLoss = false }: JournalOptions): Promise<Journal> {
  try {
    return await Journal.open(path, onFatal)
  } catch (error) {
    if (!(error instanceof JournalDamaged)) throw error
    if (!acceptsLoss)
      throw new JournalLost(
        `the journal of erasures is damaged (${error.message}): put the right one back, or start once with --accept-journal-loss`,
      )
    await rename(path, `${path}.damaged-${clock.now()}`)
    log.error('ALARM: a damaged journal of erasures was set aside')
    return Journal.open(path, onFatal)
  }
}

/** Gives the shared table what this process's file has more (a restored database), and the file what the table has more. */
async function shareLines(journal: ErasureJournal, database: Database): Promise<void> {
  await journal.adoptShared()
  const last = await lastShared(database)
  const missing = journal.file.after(last)
  if (missing.length > 0)
    await database.write((tx) =>
      insertJournalLines(
        tx,
        missing.map((line) => ({ seq: line.seq, line: formatLine(line) })),
      ),
    )
}

async function lastShared(database: Database): Promise<number> {
  let seq = 0
  for (;;) {
    const rows = await database.read((conn) => listJournalLines(conn, seq))
    const last = rows.at(-1)
    if (last === undefined) return seq
    seq = last.seq
  }
}
