import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { UserId } from '../../protocol/ids.ts'
import type { Config } from '../../util/config.ts'
import type { Finding } from './findings.ts'
import { termsOf } from './search-tables.ts'
import type { TableSearch } from './search-tables.ts'

interface Place {
  readonly kind: 'database' | 'database log' | 'journal' | 'media' | 'logs'
  readonly path: string
}

/** Where a server leaves bytes. */
function placesOf(config: Config): Place[] {
  const { database, media, erasure, logging } = config
  const places: Place[] = [
    { kind: 'journal', path: erasure.journal.path },
    { kind: 'media', path: media.path },
  ]
  if (database.engine === 'sqlite')
    places.push({ kind: 'database', path: database.path }, { kind: 'database log', path: `${database.path}-wal` })
  if (logging.file !== null) for (const path of siblingsOf(logging.file)) places.push({ kind: 'logs', path })
  return places
}

/** A log file and the older ones beside it. */
function siblingsOf(path: string): string[] {
  try {
    return readdirSync(dirname(path))
      .filter((name) => name.startsWith(basename(path)))
      .map((name) => join(dirname(path), name))
  } catch {
    return []
  }
}

/**
 * Searches the raw bytes of every file, free pages included, and says of what is found there whether it may be, given
 * what the tables hold. The files are read by a process of its own.
 */
export async function searchFiles(
  config: Config,
  userId: UserId,
  also: readonly string[],
  tables: TableSearch,
): Promise<Finding[]> {
  const terms = termsOf(userId, also)
  const searches = terms.map(({ what, text, isId }) => ({
    what,
    patterns: [...new Set([text, JSON.stringify(text).slice(1, -1)])],
    isWord: isId,
  }))
  const hits = await scan({ places: placesOf(config), searches })
  const sums = new Map<string, { kind: string; what: string; count: number }>()
  for (const hit of hits) {
    const key = `${hit.kind} ${hit.what}`
    sums.set(key, { ...hit, count: hit.count + (sums.get(key)?.count ?? 0) })
  }
  return [...sums.values()].map(({ kind, what, count }) => {
    const isId = terms.find((term) => term.what === what)?.isId ?? false
    return { where: kind, what, count, ...judge(kind, isId, count, tables.counts[what] ?? 0, tables) }
  })
}

function judge(
  kind: string,
  isId: boolean,
  count: number,
  inTables: number,
  tables: TableSearch,
): { may_be: boolean; why: string } {
  const isAtWork = tables.dueTs !== null
  switch (kind) {
    case 'journal':
      return isId
        ? { may_be: true, why: 'needed to repeat the erasure after a restore' }
        : { may_be: false, why: 'the journal holds user ids only' }
    case 'logs':
      return { may_be: false, why: 'logs name nobody' }
    case 'media':
      return { may_be: true, why: 'inside of files that belong to somebody else, or are listed as kept' }
    default:
      if (isId) return { may_be: true, why: 'the user id stays visible in rooms (P4)' }
      if (kind === 'database' ? count <= inTables : inTables > 0)
        return { may_be: true, why: 'what the tables hold, judged above' }
      if (isAtWork) return { may_be: true, why: 'deleted, and still in free pages: the next rewrite ends that' }
      return { may_be: false, why: 'in free pages or the log: the tables do not have it' }
  }
}

async function scan(task: object): Promise<{ kind: string; what: string; count: number }[]> {
  const script = fileURLToPath(new URL('./scan-files.mjs', import.meta.url))
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(task))
  const chunks: Buffer[] = []
  const code = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  for await (const chunk of child.stdout) chunks.push(chunk as Buffer)
  if ((await code) !== 0) throw new Error('the files could not be searched')
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as { kind: string; what: string; count: number }[]
}
