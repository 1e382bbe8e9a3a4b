import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { canonicalJson } from '../protocol/canonical-json.ts'
import type { UserId } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import { fileError } from '../store/errors.ts'
import { makeFolderDurably, syncFolder } from '../util/durable-file.ts'
import { Mutex } from '../util/mutex.ts'

/** An erasure that was asked for: all that is needed to begin it again. */
export interface ErasureEntry {
  readonly kind: 'erasure'
  /** T0 */
  readonly ts: number
  readonly user: UserId
  readonly mode: 'redact' | 'forget'
  readonly id: string
  readonly deadline: number
  /** hash of the receipt's token */
  readonly receipt: string
  /** base64 */
  readonly salt: string
  readonly by: string
  /** ms */
  readonly delay: number
}

/** What the journal remembers, so that a restored backup does not bring anybody back. */
export type JournalEntry =
  | ErasureEntry
  | { readonly kind: 'deactivation'; readonly ts: number; readonly user: UserId }
  | { readonly kind: 'inbound'; readonly ts: number; readonly user: UserId; readonly until: number }
  /** `redact` where `forget` had been chosen */
  | { readonly kind: 'stricter'; readonly ts: number; readonly user: UserId; readonly id: string }
  | { readonly kind: 'cancellation'; readonly ts: number; readonly user: UserId; readonly id: string }
  | { readonly kind: 'peer'; readonly ts: number; readonly id: string; readonly server: string; readonly state: string }
  /** The line named was never followed by its transaction: the request was refused. */
  | { readonly kind: 'void'; readonly ts: number; readonly line: number }

/** A line of the journal. */
export interface JournalLine {
  readonly seq: number
  readonly entry: JournalEntry
  /** hex SHA-256 of the line before, and of this one */
  readonly previous: string
  readonly hash: string
}

/** The journal does not fit itself: somebody changed or cut it. */
export class JournalDamaged extends Error {
  override name = 'JournalDamaged'
}

const firstHash = '0'.repeat(64)

function hashOf(seq: number, previous: string, entry: JournalEntry): string {
  return createHash('sha256')
    .update(canonicalJson({ seq, previous, entry: entry as unknown as JsonObject }))
    .digest('hex')
}

/** The line that follows another one; the first where there is none. */
export function makeLine(last: JournalLine | undefined, entry: JournalEntry): JournalLine {
  const seq = (last?.seq ?? 0) + 1
  const previous = last?.hash ?? firstHash
  return { seq, entry, previous, hash: hashOf(seq, previous, entry) }
}

/** The text of a line, without its end. */
export function formatLine(line: JournalLine): string {
  return canonicalJson(line as unknown as JsonObject)
}

/**
 * The append-only, hash-chained file of erasures (ERASURE.md section 5, "Journal"), outside the database. A line is on
 * disk before the transaction that it stands for commits.
 */
export class Journal {
  readonly path: string
  readonly #file: FileHandle
  readonly #mutex = new Mutex()
  readonly #lines: JournalLine[]
  readonly #onFatal: (error: Error) => void
  #size: number
  #isTorn = false

  private constructor(
    path: string,
    file: FileHandle,
    lines: JournalLine[],
    size: number,
    onFatal: (error: Error) => void,
  ) {
    this.path = path
    this.#onFatal = onFatal
    this.#file = file
    this.#lines = lines
    this.#size = size
  }

  /**
   * Opens the file, made when missing; cuts off a torn last line. Throws JournalDamaged where the chain is broken.
   * `onFatal` is called when a line cannot be synced: what is on disk is unknown then, and the process must end.
   */
  static async open(path: string, onFatal: (error: Error) => void = () => {}): Promise<Journal> {
    await makeFolderDurably(dirname(path), 0o700)
    const file = await open(path, 'a+', 0o600)
    try {
      const bytes = await file.readFile()
      const { lines, size } = readLines(bytes)
      if (size !== bytes.length) await file.truncate(size)
      await file.sync()
      await syncFolder(dirname(path))
      return new Journal(path, file, lines, size, onFatal)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** The number of the last line; 0 where there is none. */
  get lastSeq(): number {
    return this.#lines.at(-1)?.seq ?? 0
  }

  /** The hash of the last line. */
  get lastHash(): string {
    return this.#lines.at(-1)?.hash ?? firstHash
  }

  /** The lines after a number, in order. */
  after(seq: number): readonly JournalLine[] {
    return this.#lines.slice(seq)
  }

  /** Appends an entry; resolves when it is on disk. Throws 503 where the disk is full, with nothing appended. */
  append(entry: JournalEntry): Promise<JournalLine> {
    return this.#mutex.run(async () => {
      const line = makeLine(this.#lines.at(-1), entry)
      await this.#write(line)
      return line
    })
  }

  /** Appends lines that another process wrote, as they are. Throws JournalDamaged where they do not follow ours. */
  adopt(lines: readonly JournalLine[]): Promise<void> {
    return this.#mutex.run(async () => {
      for (const line of lines) {
        if (line.seq <= this.lastSeq) continue
        if (
          line.seq !== this.lastSeq + 1 ||
          line.previous !== this.lastHash ||
          line.hash !== hashOf(line.seq, line.previous, line.entry)
        )
          throw new JournalDamaged(`line ${line.seq} does not follow line ${this.lastSeq}`)
        await this.#write(line)
      }
    })
  }

  async close(): Promise<void> {
    await this.#mutex.run(() => this.#file.close())
  }

  async #write(line: JournalLine): Promise<void> {
    const text = `${formatLine(line)}\n`
    try {
      if (this.#isTorn) await this.#cut()
      this.#isTorn = true
      await this.#file.appendFile(text)
      this.#isTorn = false
    } catch (error) {
      await this.#cut().catch(() => undefined)
      throw fileError(error)
    }
    try {
      await this.#file.sync()
    } catch (error) {
      this.#onFatal(new Error('the journal of erasures cannot be synced', { cause: error }))
      throw error
    }
    this.#size += Buffer.byteLength(text)
    this.#lines.push(line)
  }

  /** Takes a half-written line away: it would break the chain of the next one. */
  async #cut(): Promise<void> {
    await this.#file.truncate(this.#size)
    this.#isTorn = false
  }
}

/** A line as it was written. Throws JournalDamaged. */
export function parseLine(text: string): JournalLine {
  try {
    const line = JSON.parse(text) as JournalLine
    if (Number.isSafeInteger(line.seq) && typeof line.hash === 'string' && typeof line.entry.kind === 'string')
      return line
  } catch {
    // said below
  }
  throw new JournalDamaged('a line is no journal line')
}

/**
 * The lines of a journal and how many bytes they are. The last line may be torn anywhere: it was on its way to the disk and
 * stands for nothing yet. A journal that lacks a line which the database knows is found out by comparing the two.
 */
function readLines(bytes: Buffer): { lines: JournalLine[]; size: number } {
  const lines: JournalLine[] = []
  let size = 0
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, size)) {
    const line = readLine(bytes.toString('utf8', size, end))
    const isLast = bytes.indexOf(10, end + 1) < 0
    if (line === undefined && isLast) break
    if (line === undefined) throw new JournalDamaged(`line ${lines.length + 1} is no journal line`)
    assertFollows(line, lines.at(-1))
    lines.push(line)
    size = end + 1
  }
  return { lines, size }
}

/** The line of a text; undefined where it is none, or not as it was written. */
function readLine(text: string): JournalLine | undefined {
  try {
    const line = parseLine(text)
    return line.hash === hashOf(line.seq, line.previous, line.entry) ? line : undefined
  } catch {
    return undefined
  }
}

function assertFollows({ seq, previous }: JournalLine, last: JournalLine | undefined): void {
  if (seq !== (last?.seq ?? 0) + 1 || previous !== (last?.hash ?? firstHash))
    throw new JournalDamaged(`line ${(last?.seq ?? 0) + 1} does not follow the one before`)
}
