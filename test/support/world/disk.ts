import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FileWork } from '../../../src/server/open-database.ts'
import type { Seeded } from './seeded.ts'
import type { WorldTime } from './time.ts'

const databaseFiles = new Set(['lethe.db', 'lethe.db-wal', 'lethe.db-shm'])

/**
 * The disk of one start of a server: a folder whose log is on disk up to what was synced, each sync taking virtual time.
 * Nothing is checkpointed, so that the database file stays as it was and the log is all that can be lost.
 */
export class Disk {
  readonly folder: string
  readonly #time: WorldTime
  readonly #random: Seeded
  #syncedBytes = 0
  /** syncs take no time: while a server starts, and when it is no longer part of the world */
  isInstant = true
  /** told when a sync begins, and how long it will take */
  onSync: ((takesMs: number) => void) | undefined
  readonly #longestMs: number

  constructor(time: WorldTime, random: Seeded, folder: string) {
    this.folder = folder
    this.#time = time
    this.#random = random
    this.#longestMs = random.pick([1, 12, 12, 250])
  }

  get #wal(): string {
    return join(this.folder, 'lethe.db-wal')
  }

  #walBytes(): number {
    return statSync(this.#wal, { throwIfNoEntry: false })?.size ?? 0
  }

  /** Fills an empty folder with the files of another one, which no process uses. */
  copyFrom(folder: string): void {
    rmSync(this.folder, { recursive: true, force: true })
    mkdirSync(this.folder, { recursive: true })
    for (const name of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const from = join(name.parentPath, name.name)
      const to = join(this.folder, from.slice(folder.length))
      if (name.isDirectory()) mkdirSync(to, { recursive: true })
      else copyFileSync(from, to)
    }
  }

  get fileWork(): FileWork {
    return {
      logSync: {
        sync: async () => {
          const bytes = this.#walBytes()
          if (!this.isInstant) {
            const takesMs = this.#random.between(0, this.#longestMs)
            this.onSync?.(takesMs)
            await new Promise<void>((resolve) => this.#time.after(takesMs, resolve, this))
          }
          this.#syncedBytes = bytes
          return { bytes }
        },
        close: async () => {},
      },
      checkpointer: {
        checkpoint: async () => ({ busy: false, log: 0, checkpointed: 0 }),
        vacuum: async () => {},
        close: async () => {},
      },
    }
  }

  /**
   * What is found after the process was killed, or after a power cut: the log as far as it was synced, and of the rest as
   * much as chance will have, its last pages perhaps not written. Puts it into another disk's folder.
   */
  crashInto(other: Disk, how: 'kill' | 'power'): void {
    rmSync(other.folder, { recursive: true, force: true })
    mkdirSync(other.folder, { recursive: true })
    for (const entry of readdirSync(this.folder, { withFileTypes: true })) {
      const from = join(this.folder, entry.name)
      if (entry.isDirectory() || databaseFiles.has(entry.name) || entry.name.endsWith('.lock')) continue
      copyFileSync(from, join(other.folder, entry.name))
    }
    copyFileSync(join(this.folder, 'lethe.db'), join(other.folder, 'lethe.db'))
    const size = this.#walBytes()
    if (size === 0) return
    const log = readFileSync(this.#wal)
    if (how === 'power' && size > this.#syncedBytes) {
      const end = this.#random.between(this.#syncedBytes, size)
      if (this.#random.chance(0.3)) {
        const hole = this.#random.between(this.#syncedBytes, end)
        log.fill(0, hole, Math.min(end, hole + 512))
      }
      writeFileSync(join(other.folder, 'lethe.db-wal'), log.subarray(0, end))
    } else writeFileSync(join(other.folder, 'lethe.db-wal'), log)
  }
}
