import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Bytes that were written to disk. */
export interface StoredBlob {
  /** hex */
  readonly sha256: string
  readonly size: number
  /** the first bytes, for sniffing */
  readonly head: Uint8Array
}

const headBytes = 4100

/**
 * Files of the media repository on disk, named by the SHA-256 of their bytes. A file is written under a temporary name,
 * synced, renamed, and its folder synced, before any row names it.
 */
export class BlobFiles {
  readonly folder: string
  /** Temporary files that this process is writing: `sweep` leaves them alone. */
  readonly #open = new Set<string>()

  constructor(folder: string) {
    this.folder = folder
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

  /** Writes a stream of bytes; what the stream throws leaves nothing behind. */
  async write(chunks: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    const temporary = await this.#temporary()
    const hash = createHash('sha256')
    const head: Uint8Array[] = []
    let size = 0
    try {
      const file = await open(temporary, 'wx', 0o600)
      try {
        for await (const chunk of chunks) {
          if (size < headBytes) head.push(chunk.subarray(0, headBytes - size))
          size += chunk.length
          hash.update(chunk)
          await file.write(chunk)
        }
        await file.sync()
      } finally {
        await file.close()
      }
      const sha256 = hash.digest('hex')
      await this.#place(temporary, this.pathOf(sha256))
      return { sha256, size, head: Buffer.concat(head) }
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    } finally {
      this.#open.delete(temporary)
    }
  }

  /** Writes a thumbnail. */
  async writeThumbnail(path: string, bytes: Uint8Array): Promise<void> {
    const temporary = await this.#temporary()
    try {
      const file = await open(temporary, 'wx', 0o600)
      try {
        await file.write(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
      await this.#place(temporary, path)
    } finally {
      this.#open.delete(temporary)
    }
  }

  /** The bytes of a file as a stream, undefined where it is missing. */
  async read(path: string): Promise<{ size: number; chunks: AsyncIterable<Uint8Array> } | undefined> {
    try {
      const { size } = await stat(path)
      return { size, chunks: createReadStream(path) }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** Deletes a file; one that is already gone is fine. The folder is synced, so that it does not come back. */
  async remove(path: string): Promise<void> {
    await rm(path, { force: true })
    await syncFolder(dirname(path)).catch((error: unknown) => {
      if (!isMissing(error)) throw error
    })
  }

  /** Deletes what an ended process left half written. */
  async sweep(): Promise<void> {
    const folder = join(this.folder, 'incoming')
    const names = await readdir(folder).catch(() => [])
    for (const name of names) if (!this.#open.has(join(folder, name))) await rm(join(folder, name), { force: true })
  }

  /** Every blob on disk, by hash. */
  async *list(): AsyncGenerator<string> {
    const blobs = join(this.folder, 'blobs')
    for (const first of await readdir(blobs).catch(() => [])) {
      for (const second of await readdir(join(blobs, first))) {
        for (const name of await readdir(join(blobs, first, second))) yield name
      }
    }
  }

  async #temporary(): Promise<string> {
    const folder = join(this.folder, 'incoming')
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const path = join(folder, randomUUID())
    this.#open.add(path)
    return path
  }

  async #place(temporary: string, path: string): Promise<void> {
    const folder = dirname(path)
    const made = await mkdir(folder, { recursive: true, mode: 0o700 })
    await rename(temporary, path)
    await syncFolder(folder)
    for (let parent = dirname(folder); made !== undefined && parent.length >= dirname(made).length; parent = dirname(parent)) {
      await syncFolder(parent)
    }
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
