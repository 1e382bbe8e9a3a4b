import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { checkContentHash, eventIdOf } from '../../src/protocol/hash.ts'
import type { EventId, RoomId } from '../../src/protocol/ids.ts'
import { isJsonObject, parseJson } from '../../src/protocol/json.ts'
import { eventFromStored } from '../../src/protocol/parse-event.ts'
import { roomVersions } from '../../src/protocol/room-version.ts'
import type { RoomVersion } from '../../src/protocol/room-version.ts'
import { verifyEventSignature } from '../../src/protocol/sign.ts'
import { NativeDatabase } from '../../src/store/native-sqlite.ts'

interface Row {
  readonly event_nid: number
  readonly event_id: string
  readonly room_id: string
  readonly version: string
  readonly json: string
  readonly ord: number | null
  readonly is_gone: number
}

/** With what a server signs its events. */
export interface PublicKey {
  readonly keyId: string
  readonly publicKey: string
}

/** Statements that find rows without what they belong to; each must find nothing. */
const orphans: Readonly<Record<string, string>> = {
  'a message that was sent, without its transaction id': `select event_id from events where local and type = 'm.room.message'
    and pruned_ts is null and event_nid not in (select event_nid from event_transactions)`,
  'a transaction id without its event': `select event_nid from event_transactions where event_nid not in (select event_nid from events)`,
  'two events of one transaction id': `select txn_id from event_transactions x join events e using (event_nid)
    group by x.user_nid, x.device_id, x.txn_id, e.room_nid, e.type having count(*) > 1`,
  'current state without its event': `select c.event_nid from current_state c left join events e using (event_nid)
    where e.event_nid is null or e.state_key_nid <> c.state_key_nid or e.room_nid <> c.room_nid`,
  'a member who is not in the current state': `select m.event_nid from memberships m where m.membership = 'join'
    and not exists (select 1 from current_state c where c.room_nid = m.room_nid and c.event_nid = m.event_nid)`,
  'a room with events, without its state': `select room_nid from rooms r where exists
    (select 1 from events e where e.room_nid = r.room_nid and e.ord is not null)
    and (select count(*) from current_state c where c.room_nid = r.room_nid) < 4`,
  'a room with events, without an extremity': `select room_nid from rooms r where exists
    (select 1 from events e where e.room_nid = r.room_nid and e.ord is not null)
    and not exists (select 1 from forward_extremities f where f.room_nid = r.room_nid)`,
  'an extremity without its event': `select event_nid from forward_extremities where event_nid not in (select event_nid from events)`,
  'an event without its state': `select event_id from events where not outlier and rejected is null
    and (state_after is null or state_after not in (select group_nid from state_groups))`,
  'state on a state that is missing': `select group_nid from state_groups where parent is not null
    and parent not in (select group_nid from state_groups)`,
  'two events in one place': `select room_nid, ord from events where ord is not null group by 1, 2 having count(*) > 1`,
  'a room that counts its members wrong': `select room_nid from room_summaries s where joined_count <>
    (select count(*) from memberships m where m.room_nid = s.room_nid and m.membership = 'join')`,
  'an event beyond its writer': `select event_id from events join writers on writer = writer_nid where pos > position`,
  'a file of media that has no row': `select media_id from media where sha256 is not null and sha256 not in (select sha256 from media_blobs)`,
  'a file that no media names': `select sha256 from media_blobs where sha256 not in (select sha256 from media where sha256 is not null)`,
  'staged events': `select event_id from staged_events`,
}

/** Looks at the database and the files of a server that is running and quiet, from outside. */
export class CrashChecks {
  /** event ids by the text of each message */
  readonly messages = new Map<string, string[]>()
  readonly #folder: string
  readonly #keys: ReadonlyMap<string, PublicKey>
  #last = 0

  /** `keys`: of the servers whose events are stored, by name. */
  constructor(folder: string, keys: ReadonlyMap<string, PublicKey>) {
    this.#folder = folder
    this.#keys = keys
  }

  /** What is wrong with events that are new since the last look: each must be whole, and signed. */
  newEvents(): string[] {
    return this.#read((db) => {
      const rows = db
        .prepare<[number], Row>(
          `select event_nid, event_id, room_id, version, json, ord, pruned_ts is not null or redacted_by is not null as is_gone
           from events join rooms using (room_nid) where event_nid > ? order by event_nid`,
        )
        .all(this.#last)
      this.#last = rows.at(-1)?.event_nid ?? this.#last
      return rows.flatMap((row) => this.#fault(row).map((fault) => `${row.event_id}: ${fault}`))
    })
  }

  #fault(row: Row): string[] {
    const version = roomVersions.get(row.version) as RoomVersion
    const pdu = parseJson(row.json, { mode: 'strict' })
    if (!isJsonObject(pdu)) return ['is no object']
    const event = eventFromStored(version, row.event_id as EventId, row.room_id as RoomId, row.json)
    const server = event.sender.slice(event.sender.indexOf(':') + 1)
    const key = this.#keys.get(server)
    const body = event.type === 'm.room.message' ? event.content['body'] : undefined
    if (typeof body === 'string' && row.ord !== null)
      this.messages.set(body, [...(this.messages.get(body) ?? []), row.event_id])
    const hash = row.is_gone ? undefined : checkContentHash(event)
    return [
      ...(eventIdOf(version, pdu) === row.event_id ? [] : ['has another id']),
      ...(hash === undefined ? [] : [hash]),
      ...(key !== undefined && verifyEventSignature(event, server, key.keyId, key.publicKey) ? [] : ['is not signed']),
    ]
  }

  /** Rows that belong to nothing, files that no row names, and rows whose file is missing. */
  orphans(): string[] {
    return this.#read((db) => [
      ...Object.entries(orphans).flatMap(([what, sql]) => {
        const found = db.prepare<[], unknown>(sql).all()
        return found.length === 0 ? [] : [`${what}: ${JSON.stringify(found.slice(0, 5))}`]
      }),
      ...this.#files(db),
    ])
  }

  /** What SQLite itself finds wrong, rooms without events, files with other bytes. */
  final(): string[] {
    return this.#read((db) => [
      ...db
        .prepare<[], { integrity_check: string }>('pragma integrity_check')
        .all()
        .map(({ integrity_check: found }) => found)
        .filter((found) => found !== 'ok'),
      ...db
        .prepare('pragma foreign_key_check')
        .all()
        .map((found) => JSON.stringify(found)),
      ...db
        .prepare<[], { room_id: string }>(
          'select room_id from rooms r where not exists (select 1 from events e where e.room_nid = r.room_nid and e.ord is not null)',
        )
        .all()
        .map(({ room_id: id }) => `${id} has no events`),
      ...filesIn(join(this.#folder, 'media/blobs'))
        .filter(({ path, name }) => createHash('sha256').update(readFileSync(path)).digest('hex') !== name)
        .map(({ name }) => `a file with other bytes: ${name}`),
    ])
  }

  /** The tables and indexes, as text. */
  schema(): string[] {
    return this.#read((db) =>
      db
        .prepare<[], { sql: string }>('select sql from sqlite_schema where sql is not null order by type, name')
        .all()
        .map(({ sql }) => sql),
    )
  }

  #files(db: NativeDatabase): string[] {
    const media = join(this.#folder, 'media')
    const named = new Map(
      db
        .prepare<[], { sha256: string; size: number }>('select sha256, size from media_blobs')
        .all()
        .map(({ sha256, size }) => [sha256, size]),
    )
    const found = filesIn(join(media, 'blobs'))
    return [
      ...filesIn(join(media, 'incoming')).map(({ name }) => `half an upload: ${name}`),
      ...found.filter(({ name }) => !named.has(name)).map(({ name }) => `a file without a row: ${name}`),
      ...[...named.keys()]
        .filter((name) => !found.some((file) => file.name === name))
        .map((name) => `a row without its file: ${name}`),
    ]
  }

  #read<T>(fn: (db: NativeDatabase) => T): T {
    const db = new NativeDatabase(join(this.#folder, 'lethe.db'), { readonly: true, timeout: 5000 })
    try {
      db.exec('begin')
      return fn(db)
    } finally {
      db.close()
    }
  }
}

function filesIn(folder: string): { name: string; path: string }[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => ({ name: entry.name, path: join(entry.parentPath, entry.name) }))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
