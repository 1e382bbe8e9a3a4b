import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeConfig } from '../../src/cli/config/make.ts'
import { createApp } from '../../src/server.ts'
import type { RoomId, ServerName, UserId } from '../../src/protocol/ids.ts'
import type { Room } from '../../src/rooms/room.ts'
import type { MembershipRow } from '../../src/store/memberships.ts'
import { findMembership } from '../../src/store/memberships.ts'
import type { Composed } from '../../src/server/compose.ts'
import { compose } from '../../src/server/compose.ts'
import type { Engine } from '../../src/store/statement.ts'
import { systemClock } from '../../src/util/system-ports.ts'
import { EvilServer } from './evil.ts'
import { FakeNetwork } from './fake-net.ts'
import { testDatabase } from './postgres-database.ts'
import type { Reply } from './reply.ts'
import { usualEngine } from './store.ts'

/** An answer of the client-server API. */
export interface Answer {
  readonly status: number
  readonly body: Reply
}

/** A user of one of the servers, with an access token. */
export interface WorldUser {
  readonly id: UserId
  /** any request to the client-server API; the path begins after `/_matrix/client/v3` */
  call(method: string, path: string, body?: unknown): Promise<Answer>
  /** as `call`, and fails unless the answer is 200 */
  ok<T = Reply>(method: string, path: string, body?: unknown): Promise<T>
}

/** One whole server, without sockets. */
export interface WorldServer {
  readonly name: ServerName
  readonly composed: Composed
  fetch(request: Request): Promise<Response>
  user(localpart: string): Promise<WorldUser>
  guest(): Promise<WorldUser>
  room(roomId: RoomId): Promise<Room>
  membership(roomId: RoomId, userId: UserId): Promise<MembershipRow | undefined>
  /** content of the current state at a place */
  state(roomId: RoomId, type: string, stateKey?: string): Promise<Readonly<Record<string, unknown>> | undefined>
}

/** Servers in this process that talk with each other over a network that is not there. */
export class RoomsWorld {
  readonly network = new FakeNetwork(systemClock)
  readonly servers = new Map<string, WorldServer>()
  readonly #engine: Engine
  readonly #folder = mkdtempSync(join(tmpdir(), 'lethe-world-'))

  static start(...names: string[]): Promise<RoomsWorld> {
    return RoomsWorld.on(usualEngine, ...names)
  }

  /** As `start`, on another engine. */
  static async on(engine: Engine, ...names: string[]): Promise<RoomsWorld> {
    const world = new RoomsWorld(engine)
    for (const name of names) await world.add(name)
    return world
  }

  private constructor(engine: Engine) {
    this.#engine = engine
  }

  /** A hostile server on the same network. */
  evil(name: string): EvilServer {
    const evil = new EvilServer(name, systemClock.now())
    this.network.add(name, evil.handle)
    this.network.add(`${name}:8448`, evil.handle)
    return evil
  }

  /** Waits until all servers have the same newest events of a room. */
  async settled(roomId: RoomId, ...names: string[]): Promise<Room[]> {
    for (let left = 200; ; left--) {
      const rooms = await Promise.all(names.map((name) => this.server(name).room(roomId)))
      const newest = rooms.map(({ extremities }) =>
        extremities
          .map(({ eventId }) => eventId)
          .sort()
          .join(' '),
      )
      if (new Set(newest).size === 1) return rooms
      if (left === 0) throw new Error(`the servers do not agree: ${newest.join(' | ')}`)
      await systemClock.sleep(20)
    }
  }

  server(name: string): WorldServer {
    const found = this.servers.get(name)
    if (found === undefined) throw new Error(`no server ${name}`)
    return found
  }

  async add(name: string): Promise<WorldServer> {
    const config = makeConfig({
      server_name: name,
      public_base_url: `https://${name}`,
      data_dir: join(this.#folder, name),
      listeners: [],
      registration: { enabled: true, flows: ['dummy'], guests: true },
      passwords: { bcrypt_cost: 4, allow_weak_hash: true },
      rate_limits: { enabled: false },
      ...(await this.#database()),
      federation: { retry: { initial: '1s', max: '5s' } },
    })
    const composed = await compose(config, { net: this.network.netFor(name), dns: this.network.dns })
    await composed.start()
    const app = createApp(composed.deps)
    const fetch = async (request: Request) => app.fetch(request, { address: '192.0.2.1' })
    this.network.add(name, fetch)
    this.network.add(`${name}:8448`, fetch)
    const { database, roomCache } = composed.deps
    const room = (roomId: RoomId) => database.read((conn) => roomCache.get(conn, roomId))
    const server: WorldServer = {
      name: name as ServerName,
      composed,
      fetch,
      room,
      user: (localpart) => register(server, localpart),
      guest: () => register(server, undefined),
      membership: async (roomId, userId) =>
        database.read(async (conn) => {
          const found = await roomCache.find(conn, roomId)
          const userNid = await roomCache.userNid(conn, userId)
          return found && userNid !== undefined ? findMembership(conn, userNid, found.nid) : undefined
        }),
      state: async (roomId, type, stateKey = '') => {
        const current = await room(roomId)
        return (await database.read((conn) => roomCache.stateEvent(conn, current, type, stateKey)))?.content
      },
    }
    this.servers.set(name, server)
    return server
  }

  async #database(): Promise<object> {
    if (this.#engine === 'sqlite') return {}
    const url = await testDatabase(process.env['LETHE_TEST_POSTGRES'] ?? '')
    return { database: { engine: 'postgres', url } }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { composed } of this.servers.values()) {
      composed.beginStop()
      await composed.close()
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function register({ name, fetch }: WorldServer, localpart: string | undefined): Promise<WorldUser> {
  const login: { token?: string } = {}
  const call = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const headers = {
      'content-type': 'application/json',
      ...(login.token === undefined ? {} : { authorization: `Bearer ${login.token}` }),
    }
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const answer = await fetch(new Request(`https://${name}/_matrix/client/v3${path}`, init))
    return { status: answer.status, body: (await answer.json()) as Reply }
  }
  const ok = async <T = Reply>(method: string, path: string, body?: unknown): Promise<T> => {
    const answer = await call(method, path, body)
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body as T
  }
  const auth = { type: 'm.login.dummy' }
  const made =
    localpart === undefined
      ? await ok('POST', '/register?kind=guest', {})
      : await ok('POST', '/register', { username: localpart, password: 'correct horse', auth })
  login.token = made.access_token
  return { id: made.user_id, call, ok }
}
