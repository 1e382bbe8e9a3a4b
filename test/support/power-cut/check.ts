import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BlobFiles } from '../../../src/media/blob-files.ts'
import { Journal } from '../../../src/privacy/journal.ts'
import { eventIdOf } from '../../../src/protocol/hash.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { findRoomVersion } from '../../../src/protocol/room-version.ts'
import { NativeDatabase } from '../../../src/store/native-sqlite.ts'
import { openSqlite } from '../../../src/store/sqlite.ts'
import { systemClock } from '../../../src/util/system-ports.ts'
import type { Promised } from './answers.ts'
import type { Recording } from './record.ts'

/** What is wrong with an image: promises broken, or something that is not whole. */
export interface Faults {
  readonly lost: string[]
  readonly broken: string[]
}

interface EventRow {
  readonly event_id: string
  readonly json: string
  readonly version: string
}

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

// nobody needs an image on disk or in one file, and threads take ten times as long as all the rest
const noThreads = {
  logSync: { sync: async () => ({ bytes: 0 }), close: async () => {} },
  checkpointer: {
    checkpoint: async () => ({ busy: false, log: 0, checkpointed: 0 }),
    vacuum: async () => {},
    close: async () => {},
  },
}

/** Opens images of a power cut as a start of the server does, and holds them against what was promised. */
export class ImageCheck {
  readonly #recording: Recording
  readonly #secrets: ReadonlyMap<string, string>
  /** events that were found whole, by id */
  readonly #whole = new Map<string, { json: string; previous: readonly string[] }>()

  constructor(recording: Recording) {
    this.#recording = recording
    const secrets = ['signing.key', 'pepper'].map((name) => join(recording.dataFolder, name))
    this.#secrets = new Map(
      secrets.map((path) => [path.slice(recording.dataFolder.length), readFileSync(path, 'utf8')]),
    )
  }

  /** `folder` holds the image of the data folder. */
  async faultsOf(folder: string, promised: readonly Promised[]): Promise<Faults> {
    const faults: Faults = { lost: [], broken: [] }
    mkdirSync(folder, { recursive: true })
    if (promised.length > 0) {
      for (const [name, text] of this.#secrets) {
        const path = join(folder, name)
        if (!existsSync(path) || readFileSync(path, 'utf8') !== text) faults.lost.push(`the secret ${name}`)
      }
    }
    try {
      await this.#journal(folder, promised, faults)
      await this.#database(folder, promised, faults)
    } catch (error) {
      faults.broken.push(String(error))
    }
    return faults
  }

  async #journal(folder: string, promised: readonly Promised[], { lost }: Faults): Promise<void> {
    const journal = await Journal.open(join(folder, 'erasure-journal.jsonl'))
    const erased = new Set(journal.after(0).map(({ entry }) => ('user' in entry ? String(entry.user) : '')))
    await journal.close()
    for (const { kind, id } of promised)
      if (kind === 'erasure' && !erased.has(id)) lost.push(`the journal's line of ${id}`)
  }

  async #database(folder: string, promised: readonly Promised[], faults: Faults): Promise<void> {
    const path = join(folder, 'lethe.db')
    const failed = (error: unknown) => void faults.broken.push(String(error))
    const database = await openSqlite({ path, clock: systemClock, onFatal: failed, onFault: failed, ...noThreads })
    try {
      const sql = new NativeDatabase(path, { readonly: true })
      try {
        const all = sql.prepare<[], { integrity_check: string }>('pragma integrity_check').all()
        for (const { integrity_check: found } of all) if (found !== 'ok') faults.broken.push(found)
        if (sql.prepare('pragma foreign_key_check').all().length > 0) faults.broken.push('foreign keys')
        if (faults.broken.length > 0) return
        this.#events(sql, promised, faults)
        this.#accounts(sql, promised, faults)
        this.#uploads(sql, folder, promised, faults)
      } finally {
        sql.close()
      }
    } finally {
      await database.close()
    }
  }

  #events(sql: NativeDatabase, promised: readonly Promised[], { lost, broken }: Faults): void {
    const { messages } = this.#recording.told
    const rows = sql
      .prepare<[], EventRow>('select event_id, json, version from events join rooms using (room_nid)')
      .all()
    const present = new Set<string>()
    const named = new Set<string>()
    for (const row of rows) {
      present.add(row.event_id)
      const known = this.#whole.get(row.event_id)
      const event = known?.json === row.json ? known : this.#parse(row, broken)
      for (const each of event.previous) named.add(each)
    }
    for (const { kind, id } of promised)
      if (kind === 'event' && !present.has(id)) lost.push(`${id} ${messages[id] ?? ''}`)
    for (const each of named) if (!present.has(each)) broken.push(`${each} is named and missing`)
    const ends = sql
      .prepare<[], string>('select event_id from forward_extremities join events using (event_nid)')
      .pluck()
      .all()
    const tips = [...present].filter((each) => !named.has(each))
    if (tips.toSorted().join() !== ends.toSorted().join())
      broken.push(`extremities ${ends.join()}, ends ${tips.join()}`)
  }

  #parse(row: EventRow, broken: string[]): { json: string; previous: readonly string[] } {
    const pdu = JSON.parse(row.json) as JsonObject & { content: { body?: string }; prev_events: string[] }
    const version = findRoomVersion(row.version)
    const text = this.#recording.told.messages[row.event_id]
    if (version === undefined || eventIdOf(version, pdu) !== row.event_id)
      broken.push(`${row.event_id} is another event`)
    if (text !== undefined && pdu.content.body !== text) broken.push(`${row.event_id} has another text`)
    const event = { json: row.json, previous: pdu.prev_events }
    this.#whole.set(row.event_id, event)
    return event
  }

  #accounts(sql: NativeDatabase, promised: readonly Promised[], { lost, broken }: Faults): void {
    const rows = sql
      .prepare<[], { user_id: string; deactivated_ts: number | null; password_hash: string | null; tokens: number }>(
        `select user_id, deactivated_ts, password_hash,
           (select count(*) from access_tokens where access_tokens.user_nid = users.user_nid) as tokens
         from accounts join users using (user_nid)`,
      )
      .all()
    const accounts = new Map(rows.map((row) => [row.user_id, row]))
    for (const { kind, id } of promised) {
      const row = accounts.get(id)
      if (kind === 'account' && (row === undefined || (row.deactivated_ts === null && row.tokens === 0))) lost.push(id)
      if (kind === 'erasure' && (row === undefined || row.deactivated_ts === null || row.tokens > 0))
        lost.push(`the erasure of ${id}`)
    }
    for (const { user_id: id, deactivated_ts: gone, password_hash: hash } of rows)
      if (gone === null && hash === null) broken.push(`${id} has no password`)
  }

  #uploads(sql: NativeDatabase, folder: string, promised: readonly Promised[], { lost, broken }: Faults): void {
    const files = new BlobFiles(join(folder, 'media'))
    const rows = sql
      .prepare<[], { media_id: string; sha256: string }>('select media_id, sha256 from media where sha256 is not null')
      .all()
    const stored = new Map(rows.map((row) => [row.media_id, row.sha256]))
    for (const { kind, id } of promised)
      if (kind === 'upload' && stored.get(id) !== this.#recording.told.uploads[id]) lost.push(`the upload ${id}`)
    for (const [id, hash] of stored) {
      const path = files.pathOf(hash)
      if (!existsSync(path)) broken.push(`the file of ${id} is missing`)
      else if (sha256(path) !== hash) broken.push(`the file of ${id} is another one`)
    }
  }
}
