import { mkdtempSync, rmSync, copyFileSync, existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Sessions } from '../../src/accounts/sessions.ts'
import { makeConfig } from '../../src/cli/config/make.ts'
import { FederationError } from '../../src/federation/errors.ts'
import { BlobFiles } from '../../src/media/blob-files.ts'
import type { PrivacyDeps } from '../../src/privacy/deps.ts'
import { Eraser } from '../../src/privacy/erasure/eraser.ts'
import { forwardDue } from '../../src/privacy/erasure/forward.ts'
import { workOn } from '../../src/privacy/erasure/worker.ts'
import { openErasureJournal } from '../../src/privacy/open-journal.ts'
import { preparePrivacy } from '../../src/privacy/start.ts'
import { serverNameOf } from '../../src/protocol/ids.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/protocol/ids.ts'
import type { JsonObject } from '../../src/protocol/json-types.ts'
import { findRoomVersion } from '../../src/protocol/room-version.ts'
import { appendLocal } from '../../src/rooms/append-local.ts'
import type { Draft } from '../../src/rooms/build.ts'
import { ErasedUsers } from '../../src/rooms/erased.ts'
import { startRoom } from '../../src/rooms/new-room.ts'
import { MessageQueue } from '../../src/rooms/message-queue.ts'
import { RoomCache } from '../../src/rooms/room-cache.ts'
import { signHere } from '../../src/rooms/signer.ts'
import { insertAccount } from '../../src/store/accounts.ts'
import { Changes } from '../../src/store/changes.ts'
import { findErasure } from '../../src/store/erasures.ts'
import type { ErasureRow } from '../../src/store/erasures.ts'
import { findEventById } from '../../src/store/events.ts'
import { insertMedia } from '../../src/store/media.ts'
import { sqlRun } from '../../src/store/query.ts'
import { changeRoomHost } from '../../src/store/room-hosts.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { putServer } from '../../src/store/servers.ts'
import { putUser } from '../../src/store/users.ts'
import { silentLog } from '../../src/util/log.ts'
import type { Clock } from '../../src/util/ports.ts'
import { systemClock, systemRandom } from '../../src/util/system-ports.ts'
import { testKey } from './engine.ts'
import { makePlace, testMigrations } from './store.ts'
import type { Place } from './store.ts'

/** A clock that moves on by itself where somebody sleeps, and otherwise when it is told. */
export class LeapClock implements Clock {
  nowTs = Date.UTC(2026, 0, 1)
  now = () => this.nowTs
  monotonic = () => this.nowTs
  sleep = async (ms: number, signal?: AbortSignal) => {
    signal?.throwIfAborted()
    this.nowTs += ms
    await new Promise((resolve) => setImmediate(resolve))
  }
  setTimer =
    (_ms: number, _fn: () => void): (() => void) =>
    () => {}
}

let statements = 0

/** Waits to be told: the tests work step by step. */
class QuietEraser extends Eraser {
  override wake(): void {}
  override holdersChanged(): void {}
}

/** What a peer answers to an erasure. */
export type PeerAnswer = 'ok' | number | 'unreachable'

/** A server's erasing part on a real database, which can be killed and started again. */
export class ErasureWorld {
  readonly serverName = 'a.test' as ServerName
  readonly clock = new LeapClock()
  readonly folder = mkdtempSync(join(tmpdir(), 'lethe-erasure-'))
  readonly answers = new Map<string, PeerAnswer>()
  readonly told: string[] = []
  readonly alarms: string[] = []
  readonly settings: Record<string, unknown>
  deps!: PrivacyDeps
  /** throws where it says so */
  failAt: string | undefined
  readonly passed: string[] = []
  worksByItself = false
  /** of PostgreSQL */
  place: Place | undefined

  private constructor(settings: Record<string, unknown>) {
    this.settings = settings
  }

  static async start(
    erasure: Record<string, unknown> = {},
    engine: 'sqlite' | 'postgres' = 'sqlite',
  ): Promise<ErasureWorld> {
    const world = new ErasureWorld({
      rewrite: { every: '0s' },
      rates: { per_room: '1000/s', total: '1000/s' },
      ...erasure,
    })
    if (engine === 'postgres') world.place = await makePlace('postgres')
    await world.open()
    return world
  }

  get databasePath(): string {
    return join(this.folder, 'lethe.db')
  }

  async open(options: { acceptsLoss?: boolean } = {}): Promise<void> {
    const config = makeConfig({ server_name: this.serverName, data_dir: this.folder, erasure: this.settings })
    const fail = (error: unknown) => {
      throw error
    }
    const base = { clock: systemClock, onFatal: fail, onFault: fail, migrations: testMigrations('sqlite') }
    const database = this.place ? await this.place.open() : await openSqlite({ path: this.databasePath, ...base })
    const { clock } = this
    const log = { ...silentLog, error: (message: string) => void this.alarms.push(message) }
    const journal = await openErasureJournal({ database, clock, log, config, onFatal: () => {}, ...options }).catch(
      async (error: unknown) => {
        await database.close()
        throw error
      },
    )
    this.deps = {
      database,
      clock,
      random: systemRandom,
      log,
      config,
      serverName: this.serverName,
      signingKey: testKey(this.serverName),
      signer: signHere(testKey(this.serverName)),
      messages: new MessageQueue(() => this.deps),
      keyRing: {},
      federation: { userErase: (host: ServerName, userId: UserId) => this.#answer(host, userId) },
      outbound: { wake: () => {}, queueEdu: async () => {} },
      roomCache: new RoomCache(this.serverName),
      erased: new ErasedUsers(),
      changes: new Changes(),
      sessions: new Sessions(),
      blobFiles: new BlobFiles(join(this.folder, 'media')),
      destinations: { onContact: () => () => {} },
      journal,
      eraser: this.worksByItself ? new Eraser() : new QuietEraser(),
      failpoint: (name: string) => {
        this.passed.push(name)
        if (name === this.failAt) throw new Error(`killed at ${name}`)
      },
    } as unknown as PrivacyDeps
    await preparePrivacy(this.deps)
  }

  async close(): Promise<void> {
    await this.deps.eraser.stop()
    await this.deps.journal.close()
    await this.deps.database.close()
  }

  /** As after kill -9: what was committed stays, what was in memory is gone. */
  async restart(): Promise<void> {
    await this.close()
    this.failAt = undefined
    await this.open()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close().catch(() => undefined)
    await this.place?.[Symbol.asyncDispose]()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #answer(host: ServerName, userId: UserId): Promise<void> {
    const answer = this.answers.get(host) ?? 'ok'
    this.told.push(`${host} ${userId}`)
    if (answer === 'ok') return
    if (answer === 'unreachable') throw new FederationError('unreachable', host, 'is away')
    throw new FederationError('refused', host, 'refused', {
      status: answer,
      errcode: undefined,
      body: undefined,
      retryAfterMs: answer === 429 ? 1234 : undefined,
    })
  }

  async user(localpart: string): Promise<UserId> {
    const userId: UserId = `@${localpart}:${this.serverName}`
    await this.deps.database.write(async (tx) => {
      const userNid = await putUser(tx, userId)
      await insertAccount(tx, { userNid, password: { hash: 'x', pepperId: 'p' }, kind: 'user', admin: false, ts: 1 })
    })
    return userId
  }

  nidOf(userId: UserId): Promise<number> {
    return this.deps.database.write((tx) => putUser(tx, userId))
  }

  async room(creator: UserId, id = '11', levels?: JsonObject): Promise<RoomId> {
    const version = findRoomVersion(id)
    if (version === undefined) throw new Error(`no room version ${id}`)
    const roomId: RoomId | undefined = version.roomIdIsCreateHash
      ? undefined
      : `!${systemRandom.token(6)}:${this.serverName}`
    return this.deps.database.write(async (tx) => {
      const content: JsonObject = version.creatorIsSender ? { room_version: id } : { room_version: id, creator }
      let { room } = await startRoom(tx, this.deps, {
        version,
        roomId,
        draft: { type: 'm.room.create', stateKey: '', content, sender: creator },
      })
      const drafts: Draft[] = [
        { type: 'm.room.member', stateKey: creator, content: { membership: 'join' }, sender: creator },
        {
          type: 'm.room.power_levels',
          stateKey: '',
          content: levels ?? (version.privilegedCreators ? { users: {} } : { users: { [creator]: 100 } }),
          sender: creator,
        },
        { type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' }, sender: creator },
      ]
      for (const draft of drafts) ({ room } = await appendLocal(tx, this.deps, room, draft))
      return room.id
    })
  }

  async send(roomId: RoomId, draft: Draft): Promise<EventId> {
    return this.deps.database.write(async (tx) => {
      const room = await this.deps.roomCache.forWrite(tx, roomId)
      return (await appendLocal(tx, this.deps, room, draft)).event.eventId
    })
  }

  join(roomId: RoomId, userId: UserId, content: JsonObject = {}): Promise<EventId> {
    return this.send(roomId, {
      type: 'm.room.member',
      stateKey: userId,
      content: { membership: 'join', ...content },
      sender: userId,
    })
  }

  say(roomId: RoomId, sender: UserId, body: string, more: JsonObject = {}): Promise<EventId> {
    return this.send(roomId, { type: 'm.room.message', content: { msgtype: 'm.text', body, ...more }, sender })
  }

  /** Notes that another server was in a room. */
  async host(roomId: RoomId, name: string): Promise<void> {
    await this.deps.database.write(async (tx) => {
      const serverNid = await putServer(tx, name as ServerName)
      const room = await this.deps.roomCache.forWrite(tx, roomId)
      await changeRoomHost(tx, { roomNid: room.nid, serverNid, by: 0, ts: 1 })
    })
  }

  async upload(userId: UserId, text: string): Promise<string> {
    const stored = await this.deps.blobFiles.write(
      (async function* () {
        yield Buffer.from(text)
      })(),
    )
    const mediaId = systemRandom.token(12)
    const uploaderNid = await this.nidOf(userId)
    await this.deps.database.write((tx) =>
      insertMedia(tx, {
        origin: serverNameOf(userId),
        mediaId,
        uploaderNid,
        sha256: stored.sha256,
        size: stored.size,
        contentType: 'text/plain',
        fileName: 'name.txt',
        ts: this.clock.now(),
      }),
    )
    return mediaId
  }

  async json(eventId: EventId): Promise<string> {
    const row = await this.deps.database.read((conn) => findEventById(conn, eventId))
    if (row === undefined) throw new Error('no such event')
    return row.json
  }

  async sql(text: string): Promise<void> {
    const run = sqlRun<object>(`test_${statements++}`, text)
    await this.deps.database.write((tx) => run(tx))
  }

  /** Works until the state is reached, moving the clock to whatever is waited for. */
  async work(
    nid = 1,
    until: (row: ErasureRow) => boolean = ({ state }) => state === 'SETTLED' || state === 'CLOSED',
    before?: 'COLLECT',
  ): Promise<ErasureRow> {
    for (let i = 0; i < 200; i++) {
      const row = await this.deps.database.read((conn) => findErasure(conn, nid))
      if (row !== undefined && until(row)) return row
      const waitUntilTs = await workOn(this.deps, nid, {
        signal: new AbortController().signal,
        ...(before === undefined ? {} : { before: [before] }),
      })
      await forwardDue(this.deps)
      if (waitUntilTs !== undefined) this.clock.nowTs = Math.max(this.clock.nowTs, waitUntilTs)
    }
    throw new Error('the erasure does not get there')
  }

  /** Everything on disk as one text, the database's own files read after it was closed. */
  async bytes(): Promise<string> {
    await this.close()
    const texts: string[] = []
    const walk = (path: string): void => {
      if (statSync(path).isDirectory()) for (const name of readdirSync(path)) walk(join(path, name))
      else texts.push(readFileSync(path, 'latin1'))
    }
    walk(this.folder)
    await this.open()
    return texts.join('\n')
  }

  /** A copy of the closed database, to be put back later. */
  async backup(): Promise<() => Promise<void>> {
    await this.close()
    copyFileSync(this.databasePath, `${this.folder}.backup`)
    await this.open()
    return async () => {
      await this.close()
      for (const suffix of ['-wal', '-shm'])
        if (existsSync(this.databasePath + suffix)) rmSync(this.databasePath + suffix)
      copyFileSync(`${this.folder}.backup`, this.databasePath)
      rmSync(`${this.folder}.backup`)
    }
  }
}
