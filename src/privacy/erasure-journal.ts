import type { DeactivationRecord } from '../accounts/deps.ts'
import type { Conn, Database, Tx } from '../store/database.ts'
import { isUniqueViolation } from '../store/errors.ts'
import { raiseFact } from '../store/facts.ts'
import { findLastJournalLine, insertJournalLines, listJournalLines } from '../store/journal-lines.ts'
import type { Clock } from '../util/ports.ts'
import { formatLine, makeLine, parseLine } from './journal.ts'
import type { Journal, JournalEntry, JournalLine } from './journal.ts'

/** Name of the fact that holds the number of the newest line that a transaction knew. */
export const journalFact = 'journal_seq'

/** A line that is on disk and waits for its transaction. */
export interface PendingRecord extends DeactivationRecord {
  readonly seq: number
}

/**
 * The journal as erasures use it: a line is on disk before its transaction commits, and the transaction stores its
 * number. With several processes the table `journal_lines` gives the numbers, and every process has a file of its own.
 */
export class ErasureJournal {
  readonly file: Journal
  readonly #database: Database
  readonly #clock: Clock

  constructor(file: Journal, database: Database, clock: Clock) {
    this.file = file
    this.#database = database
    this.#clock = clock
  }

  /** Appends an entry; resolves when it is on disk here (and, with several processes, in the shared table). */
  async append(entry: JournalEntry): Promise<JournalLine> {
    if (this.#database.engine === 'sqlite') return this.file.append(entry)
    for (;;) {
      await this.adoptShared()
      const line = await this.#share(entry)
      if (line === undefined) continue
      await this.adoptShared()
      return line
    }
  }

  /**
   * Writes down what is about to be done. The caller's transaction calls `inTransaction`; where it fails, `abandoned`.
   * `isDone` says whether the database has it all the same: an answer was lost, or another process has replayed the line.
   * A line that is void would leave the person in a restored backup.
   */
  async begin(entry: JournalEntry, isDone: (conn: Conn) => Promise<boolean>): Promise<PendingRecord> {
    const { seq } = await this.append(entry)
    return {
      seq,
      inTransaction: (tx) => this.note(tx, seq),
      abandoned: async () => {
        if (await this.#database.read(isDone)) return
        await this.append({ kind: 'void', ts: this.#clock.now(), line: seq })
      },
    }
  }

  /** Stores that this transaction knows the journal up to a line. */
  async note(tx: Tx, seq: number): Promise<void> {
    await raiseFact(tx, journalFact, seq)
  }

  /** Appends to this process's file what others wrote. */
  async adoptShared(): Promise<void> {
    for (;;) {
      const rows = await this.#database.read((conn) => listJournalLines(conn, this.file.lastSeq))
      if (rows.length === 0) return
      await this.file.adopt(rows.map(({ line }) => parseLine(line)))
    }
  }

  async close(): Promise<void> {
    await this.file.close()
  }

  /** Takes the next number in the shared table; undefined where another process was faster. */
  async #share(entry: JournalEntry): Promise<JournalLine | undefined> {
    try {
      return await this.#database.write(async (tx) => {
        const last = await findLastJournalLine(tx)
        const line = makeLine(last === undefined ? undefined : parseLine(last.line), entry)
        await insertJournalLines(tx, [{ seq: line.seq, line: formatLine(line) }])
        return line
      })
    } catch (error) {
      if (isUniqueViolation(error)) return undefined
      throw error
    }
  }
}
