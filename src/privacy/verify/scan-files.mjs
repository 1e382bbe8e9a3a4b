// Looks for texts in raw bytes: free pages, the log of the database, the journal, media, log files. It runs as a process
// of its own, because whoever opens a database file beside SQLite in one process drops SQLite's locks on it.
import { closeSync, openSync, readSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const chunkBytes = 4 * 1024 * 1024

/**
 * @typedef {{ kind: string, path: string }} Place a file, or a folder with everything in it
 * @typedef {{ what: string, patterns: string[], isWord: boolean }} Search
 */

/** @type {{ places: Place[], searches: Search[] }} */
const { places, searches } = JSON.parse(Buffer.concat(await collect(process.stdin)).toString('utf8'))
const wanted = searches.map(({ what, patterns, isWord }) => ({
  what,
  isWord,
  patterns: patterns.map((text) => Buffer.from(text)),
}))
const overlap = Math.max(1, ...wanted.flatMap(({ patterns }) => patterns.map((bytes) => bytes.length))) + 1

/** @type {{ kind: string, what: string, count: number }[]} */
const found = []
for (const { kind, path } of places) {
  /** @type {Map<string, number>} */
  const counts = new Map()
  for (const file of filesOf(path)) scan(file, counts)
  for (const [what, count] of counts) found.push({ kind, what, count })
}
process.stdout.write(JSON.stringify(found))

/** @param {NodeJS.ReadableStream} stream */
async function collect(stream) {
  /** @type {Buffer[]} */
  const chunks = []
  for await (const chunk of stream) chunks.push(/** @type {Buffer} */ (chunk))
  return chunks
}

/**
 * @param {string} path
 * @returns {Generator<string>}
 */
function* filesOf(path) {
  let stat
  try {
    stat = statSync(path)
  } catch {
    return
  }
  if (stat.isFile()) yield path
  else if (stat.isDirectory()) for (const name of readdirSync(path)) yield* filesOf(join(path, name))
}

/**
 * @param {string} path
 * @param {Map<string, number>} counts
 */
function scan(path, counts) {
  let file
  try {
    file = openSync(path, 'r')
  } catch {
    return
  }
  try {
    let kept = Buffer.alloc(0)
    const chunk = Buffer.alloc(chunkBytes)
    for (;;) {
      const length = readSync(file, chunk, 0, chunkBytes, null)
      const bytes = Buffer.concat([kept, chunk.subarray(0, length)])
      const isLast = length === 0
      // what begins in the last bytes is looked at again with what follows them
      const end = isLast ? bytes.length : Math.max(0, bytes.length - overlap)
      for (const { what, patterns, isWord } of wanted)
        for (const pattern of patterns) {
          for (
            let at = bytes.indexOf(pattern, kept.length === 0 ? 0 : 1);
            at >= 0 && at < end;
            at = bytes.indexOf(pattern, at + 1)
          )
            if (!isWord || isWordAt(bytes, at, pattern.length)) counts.set(what, (counts.get(what) ?? 0) + 1)
        }
      if (isLast) return
      // one byte more, so that what stands before a match is known
      kept = Buffer.from(bytes.subarray(Math.max(0, end - 1)))
    }
  } finally {
    closeSync(file)
  }
}

/**
 * @param {Buffer} bytes
 * @param {number} at
 * @param {number} length
 */
function isWordAt(bytes, at, length) {
  return !isLetter(bytes[at - 1]) && !isLetter(bytes[at + length])
}

/** @param {number | undefined} byte */
function isLetter(byte) {
  if (byte === undefined) return false
  return (
    (byte >= 48 && byte <= 57) ||
    (byte >= 65 && byte <= 90) ||
    (byte >= 97 && byte <= 122) ||
    byte === 45 ||
    byte === 46 ||
    byte === 95
  )
}
