import { answersOf, eventIds, promisesOf } from './answers.ts'
import type { Promised } from './answers.ts'
import type { RecordedDisk } from './disk.ts'
import type { Inode } from './inode.ts'
import type { Recording } from './record.ts'

/** A transaction in the log of SQLite. */
export interface LogCommit {
  readonly log: Inode
  /** the end of its last write */
  readonly end: number
  /** the end of the first sync that began after that */
  readonly durableFrom: number
  /** whether its first frame is the first one of the file: the log had begun anew */
  readonly isFirst: boolean
  readonly pages: readonly Buffer[]
}

const logHeader = 32
const frameHeader = 24

/** The logs that a database at this name had, one after the other. */
export function logsOf(disk: RecordedDisk, folder: string, name: string): Inode[] {
  const changes = disk.find(folder)?.renames ?? []
  return changes.flatMap((change) => (change.name === `${name}-wal` && change.inode ? [change.inode] : []))
}

/** The transactions of a log in order, by the frames that were written to it (file format, section 4). */
export function commitsOf(log: Inode, pageSize = 4096): LogCommit[] {
  const commits: LogCommit[] = []
  let pages: Buffer[] = []
  let isLast = false
  let isFirst = false
  let durableFrom = 0
  for (const { offset, data, end, durableFrom: durable = Infinity } of log.changes) {
    const place = (offset - logHeader) % (frameHeader + pageSize)
    if (data === undefined || offset < logHeader) continue
    durableFrom = Math.max(durableFrom, durable)
    if (data.length === frameHeader && place === 0) {
      isLast = data.readUInt32BE(4) !== 0
      isFirst ||= offset === logHeader
    } else if (data.length === pageSize && place === frameHeader) {
      pages.push(data)
      if (!isLast) continue
      commits.push({ log, end, durableFrom, isFirst, pages })
      pages = []
      isFirst = false
      durableFrom = 0
    } else throw new Error(`no frame of the log: ${data.length} bytes at ${offset}`)
  }
  return commits
}

/**
 * The promises that went out before the end of a sync of the log that began after the last write of the transaction that
 * they rest on.
 */
export function earlyPromises({ disk, told }: Recording, commits: readonly LogCommit[]): Promised[] {
  const first = firstCommits(commits, [...Object.keys(told.accounts), ...Object.keys(told.uploads)])
  const isEarly = ({ kind, id, begin }: Promised) => {
    if (kind === 'erasure') return false // told by the images: the name is in many transactions
    return !((first.get(id)?.durableFrom ?? Infinity) < begin)
  }
  return promisesOf(answersOf(disk), told.erased).filter(isEarly)
}

/** The first transaction that holds each event id, and each of the other texts given. */
function firstCommits(commits: readonly LogCommit[], texts: readonly string[]): Map<string, LogCommit> {
  const first = new Map<string, LogCommit>()
  const missing = new Set(texts)
  for (const commit of commits) {
    for (const page of commit.pages) {
      const text = page.toString('latin1')
      for (const [id] of text.matchAll(eventIds)) if (!first.has(id)) first.set(id, commit)
      for (const each of missing) {
        if (!text.includes(each)) continue
        first.set(each, commit)
        missing.delete(each)
      }
    }
  }
  return first
}
