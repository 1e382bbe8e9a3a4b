import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, copyFile, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileError } from '../store/errors.ts'
import type { Failpoint } from '../util/failpoint.ts'
import { makeFolderDurably, syncFolder } from '../util/durable-file.ts'

/** Bytes that were written to disk. */
export interface StoredBlob {
  /** hex */
  readonly sha256: string
  readonly size: number
  /** the first bytes, for sniffing */
  readonly head: Uint8Array
}

const headBytes = 4100
const aside = /^gone-([0-9a-f]{64})-/

/** What there is to say of a folder that several processes use. */
export interface SharedFolder {
  /** a number that no other process has: part of the names of its temporary files */
  readonly owner: () => number
}

/**
 * Files of the media repository on disk, named by the SHA-256 of their bytes. A file is written under a temporary name,
 * synced, renamed, and its folder synced, before any row names it.
 */
export class BlobFiles {
  readonly folder: string
  /** Temporary files that this process is writing: `sweep` leaves them alone. */
  readonly #open = new Set<string>()
  /** How many have written a blob whose row is still to come, by hash. */
  readonly #awaited = new Map<string, number>()
  /** The last of those who wait for a blob, by hash. */
  readonly #busy = new Map<string, Promise<unknown>>()
  readonly #failpoint: Failpoint | undefined
  readonly #shared: SharedFolder | undefined
  /** Folders known to be on disk with all that are above them. */
  readonly #placed = new Set<string>()

  /** Without `shared` this process has the folder to itself. */
  constructor(folder: string, failpoint?: Failpoint, shared?: SharedFolder) {
    this.folder = folder
    this.#failpoint = failpoint
    this.#shared = shared
  }

  /** Where a blob lies. `sha256` is hex, checked, since it becomes part of a path. */
  pathOf(sha256: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new Error('not a SHA-256')
    return join(this.folder, 'blobs', sha256.slice(0, 2), sha256.slice(2, 4), sha256)
  }

  /** Where a thumbnail of a blob lies. */
  thumbnailPathOf(sha256: string, key: { width: number; height: number; method: string; animated: boolean }): string {
    const name = `${Math.trunc(key.width)}x${Math.trunc(key.height)}-${key.method === 'crop' ? 'crop' : 'scale'}${key.animated ? '-animated' : ''}`
    return join(this.folder, 'thumbnails', sha256.slice(0, 2), sha256.slice(2, 4), `${sha256.slice(4)}-${name}`)
  }

  /**
   * Writes a stream of bytes, then calls `keep` to make the row that names them, while nobody may take the file for an
   * orphan. Returns what `keep` returned. What the stream throws leaves nothing behind; 503 where the disk is full.
   */
  async write(chunks: AsyncIterable<Uint8Array>): Promise<StoredBlob>
  async write<T>(chunks: AsyncIterable<Uint8Array>, keep: (blob: StoredBlob) => Promise<T>): Promise<T>
  async write(chunks: AsyncIterable<Uint8Array>, keep?: (blob: StoredBlob) => Promise<unknown>): Promise<unknown> {
    const hash = createHash('sha256')
    const head: Uint8Array[] = []
    let size = 0
    return this.#through(
      async (file) => {
        for await (const chunk of chunks) {
          if (size < headBytes) head.push(chunk.subarray(0, headBytes - size))
          size += chunk.length
          hash.update(chunk)
          await file.appendFile(chunk)
        }
      },
      (temporary) => {
        const blob = { sha256: hash.digest('hex'), size, head: Buffer.concat(head) }
        return this.#whileAwaited(blob.sha256, async () => {
          const path = this.pathOf(blob.sha256)
          // another process may take the file away until the row is there: so it is kept under this name too
          const spare = this.#shared === undefined ? undefined : await this.#second(temporary)
          await this.#place(temporary, path)
          this.#failpoint?.('upload:placed')
          try {
            const kept = keep === undefined ? blob : await keep(blob)
            this.#failpoint?.('upload:stored')
            if (spare !== undefined && !(await isThere(path))) await this.#place(spare, path)
            return kept
          } finally {
            if (spare !== undefined) await this.#drop(spare)
          }
        })
      },
    )
  }

  /** Writes a thumbnail; call it inside `exclusive`, when its row is there. */
  async writeThumbnail(path: string, bytes: Uint8Array): Promise<void> {
    await this.#through(
      (file) => file.appendFile(bytes),
      (temporary) => this.#place(temporary, path),
    )
  }

  /** Whether a row that names the blob is on its way: it may not be deleted. Ask inside `exclusive`. */
  isAwaited(sha256: string): boolean {
    return this.#awaited.has(sha256)
  }

  async #whileAwaited<T>(sha256: string, fn: () => Promise<T>): Promise<T> {
    this.#awaited.set(sha256, (this.#awaited.get(sha256) ?? 0) + 1)
    try {
      // Who is deleting it now has not seen us.
      await this.#busy.get(sha256)
      return await fn()
    } finally {
      const left = (this.#awaited.get(sha256) ?? 1) - 1
      if (left === 0) this.#awaited.delete(sha256)
      else this.#awaited.set(sha256, left)
    }
  }

  /** Runs `fn` while nobody else in this process deletes the blob or writes a thumbnail of it. */
  exclusive<T>(sha256: string, fn: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(sha256) ?? Promise.resolve()
    const run = before.then(fn, fn)
    const settled = run
      .catch(() => undefined)
      .then(() => {
        if (this.#busy.get(sha256) === settled) this.#busy.delete(sha256)
      })
    this.#busy.set(sha256, settled)
    return run
  }

  /** The bytes of a file as a stream, undefined where it is missing. */
  async read(path: string): Promise<{ size: number; chunks: AsyncIterable<Uint8Array> } | undefined> {
    try {
      const { size } = await stat(path)
      return { size, chunks: chunksOf(path) }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /**
   * Deletes a blob unless `isUsed` says that a row names it; false where it stays. Ask inside `exclusive`. In a shared
   * folder it is first taken aside: a row that another process has made until then brings it back, and who makes one
   * later finds it missing and places it again.
   */
  async removeUnless(sha256: string, isUsed: () => Promise<boolean>): Promise<boolean> {
    if (await isUsed()) return false
    const path = this.pathOf(sha256)
    if (this.#shared === undefined) {
      await this.remove(path)
      return true
    }
    const taken = this.#name(`gone-${sha256}-`)
    try {
      await rename(path, taken)
    } catch (error) {
      if (isMissing(error)) return true
      throw error
    }
    return this.#settle(taken, path, isUsed)
  }

  async #settle(taken: string, path: string, isUsed: () => Promise<boolean>): Promise<boolean> {
    if (await isUsed()) {
      await rename(taken, path).catch((error: unknown) => {
        // a sweep has put it back
        if (!isMissing(error)) throw error
      })
      await syncFolder(dirname(path))
      return false
    }
    await rm(taken, { force: true })
    await syncFolder(dirname(path)).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
    return true
  }

  /** Deletes a file; one that is already gone is fine. The folder is synced, so that it does not come back. */
  async remove(path: string): Promise<void> {
    await rm(path, { force: true })
    await syncFolder(dirname(path)).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
  }

  /**
   * Deletes what an ended process left half written, and ends what it left half deleted. `owners`: the processes that
   * live, where the folder is shared.
   */
  async sweep(owners: ReadonlySet<number>, isUsed: (sha256: string) => Promise<boolean>): Promise<void> {
    const folder = join(this.folder, 'incoming')
    for (const name of await namesIn(folder)) {
      const path = join(folder, name)
      const sha256 = aside.exec(name)?.[1]
      if (sha256 !== undefined) await this.#settle(path, this.pathOf(sha256), () => isUsed(sha256))
      else if (!this.#open.has(path) && !owners.has(Number(/^(\d+)-/.exec(name)?.[1]))) await rm(path, { force: true })
    }
  }

  /** Deletes all thumbnails of a blob. */
  async removeThumbnails(sha256: string): Promise<void> {
    const any = this.thumbnailPathOf(sha256, { width: 0, height: 0, method: 'scale', animated: false })
    const folder = dirname(any)
    for (const name of await namesIn(folder))
      if (name.startsWith(`${sha256.slice(4)}-`)) await this.remove(join(folder, name))
  }

  /** The hash of every blob on disk, and of every one that has thumbnails there; some more than once. */
  async *list(): AsyncGenerator<string> {
    for (const top of ['blobs', 'thumbnails']) {
      for (const first of await namesIn(join(this.folder, top))) {
        for (const second of await namesIn(join(this.folder, top, first))) {
          for (const name of await namesIn(join(this.folder, top, first, second))) {
            const sha256 = top === 'blobs' ? name : `${first}${second}${name.slice(0, 60)}`
            if (/^[0-9a-f]{64}$/.test(sha256)) yield sha256
          }
        }
      }
    }
  }

  /** Fills a temporary file, syncs it, and hands it to `done`, which moves it away. */
  async #through<T>(fill: (file: FileHandle) => Promise<void>, done: (temporary: string) => Promise<T>): Promise<T> {
    const temporary = await this.#temporary()
    try {
      const file = await open(temporary, 'wx', 0o600)
      try {
        await fill(file)
        this.#failpoint?.('upload:written')
        await file.sync()
        this.#failpoint?.('upload:synced')
      } finally {
        await file.close()
      }
      return await done(temporary)
    } catch (error) {
      await rm(temporary, { force: true })
      throw fileError(error)
    } finally {
      this.#open.delete(temporary)
    }
  }

  async #temporary(): Promise<string> {
    const folder = join(this.folder, 'incoming')
    if (!this.#placed.has(this.folder)) {
      await makeFolderDurably(this.folder, 0o700)
      this.#placed.add(this.folder)
    }
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const path = this.#name(`${this.#shared?.owner() ?? 0}-`)
    this.#open.add(path)
    return path
  }

  #name(prefix: string): string {
    return join(this.folder, 'incoming', `${prefix}${randomUUID()}`)
  }

  /** A second name of a temporary file. */
  async #second(temporary: string): Promise<string> {
    const spare = await this.#temporary()
    try {
      await link(temporary, spare).catch((error: unknown) => {
        if (!hasNoLinks(error)) throw error
        return copyDurably(temporary, spare)
      })
      return spare
    } catch (error) {
      await this.#drop(spare)
      throw error
    }
  }

  async #drop(temporary: string): Promise<void> {
    await rm(temporary, { force: true })
    this.#open.delete(temporary)
  }

  /** A folder that is there may be one that somebody else has just made, or that was made before a crash. */
  async #place(temporary: string, path: string): Promise<void> {
    const folder = dirname(path)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await rename(temporary, path)
    await syncFolder(folder)
    const above: string[] = []
    for (let each = folder; !this.#placed.has(each); each = dirname(each)) above.unshift(each)
    for (const each of above) {
      await syncFolder(dirname(each))
      this.#placed.add(each)
    }
  }
}

// Opened when the first byte is asked for: an answer to HEAD never asks.
async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path) as AsyncIterable<Uint8Array>
}

/** Some file systems know one name for each file. */
function hasNoLinks(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(EPERM|ENOTSUP|EOPNOTSUPP|ENOSYS)$/.test(String(error.code))
}

async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to)
  const file = await open(to, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false
      throw error
    },
  )
}

/** What lies in a folder; nothing where it is missing, or no folder. */
async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return []
    throw error
  })
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
