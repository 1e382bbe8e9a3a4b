import { Destinations } from '../../src/federation/destinations.ts'
import { Discovery } from '../../src/federation/discovery.ts'
import { InboundTransactions } from '../../src/federation/inbound.ts'
import { KeyRing } from '../../src/federation/key-ring.ts'
import type { Deps } from '../../src/http/deps.ts'
import type { Endpoint } from '../../src/http/endpoint.ts'
import type { RoomEvent } from '../../src/protocol/event.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/protocol/ids.ts'
import type { Json, JsonObject } from '../../src/protocol/json-types.ts'
import { ErasedUsers } from '../../src/rooms/erased.ts'
import { loadEventsByIds } from '../../src/rooms/events.ts'
import { receive } from '../../src/rooms/receive.ts'
import type { Room } from '../../src/rooms/room.ts'
import { silentLog } from '../../src/util/log.ts'
import { systemClock, systemRandom } from '../../src/util/system-ports.ts'
import { makeEngine, remoteEvent, testKey, type TestEngine } from './engine.ts'
import { EvilServer, type Twist } from './evil.ts'
import { FakeNetwork } from './fake-net.ts'
import { caller, httpDeps } from './http-deps.ts'
import { usualEngine } from './store.ts'

/** An answer to a request of another server. */
export interface Answer {
  readonly status: number
  readonly json: Readonly<Record<string, Json>>
}

/** The engine of `us.test` behind its federation endpoints, and other servers that send it signed requests. */
export class Federated {
  readonly engine: TestEngine
  readonly deps: Deps
  readonly network: FakeNetwork
  readonly erased = new ErasedUsers()
  readonly #call: ReturnType<typeof caller>
  readonly #peers = new Map<string, EvilServer>()

  constructor(engine: TestEngine, endpoints: readonly Endpoint[]) {
    this.engine = engine
    this.network = new FakeNetwork(systemClock)
    const net = this.network.netFor('us.test')
    const { database } = engine
    const deps = Object.assign(engine.deps, { erased: this.erased })
    const common = {
      database,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      net,
      extraCa: [],
      enabled: true,
    }
    const discovery = new Discovery({
      net,
      dns: this.network.dns,
      clock: systemClock,
      random: systemRandom,
      staticRoutes: {},
    })
    const ownKeys = { current: deps.signingKey, old: [] }
    const keyRing = new KeyRing({ ...common, discovery, serverName: deps.serverName, ownKeys, trustedKeyServers: [] })
    const destinations = new Destinations({ ...common, retry: { initialMs: 1000, maxMs: 1000 } })
    const inbound = new InboundTransactions(common)
    this.deps = httpDeps({ server_name: 'us.test' }, { ...deps, keyRing, destinations, inbound })
    this.#call = caller(this.deps, endpoints)
  }

  static async make(endpoints: readonly Endpoint[]): Promise<Federated> {
    return new Federated(await makeEngine(usualEngine, 'us.test'), endpoints)
  }

  /** Another server; its key is that of `testKey`. */
  peer(name: string): EvilServer {
    let peer = this.#peers.get(name)
    if (peer === undefined) {
      peer = new EvilServer(name, systemClock.now())
      peer.key = testKey(name)
      this.network.add(name, peer.handle)
      this.#peers.set(name, peer)
    }
    return peer
  }

  /** A signed request of a server. */
  async ask(from: string, method: 'GET' | 'POST' | 'PUT', target: string, body?: Json, twist?: Twist): Promise<Answer> {
    const request = this.peer(from).request('us.test' as ServerName, method, target, body, twist)
    const authorization = request.headers.get('authorization') ?? ''
    const text = await request.text()
    const answer = await this.#call(method, target, {
      headers: { authorization },
      ...(text === '' ? {} : { raw: text }),
    })
    return { status: answer.status, json: answer.json as Answer['json'] }
  }

  /** Lets a user of another server join a public room. */
  async join(room: Room, userId: UserId): Promise<RoomEvent> {
    return this.sendRemote(room, userId, 'm.room.member', { membership: 'join' }, userId)
  }

  /** Sends an event of a user of another server, on top of the newest event of the room. */
  async sendRemote(
    room: Room,
    sender: UserId,
    type: string,
    content: JsonObject,
    stateKey?: string,
  ): Promise<RoomEvent> {
    const newest = await this.newest(room)
    const keys = [
      ['m.room.create', ''],
      ['m.room.power_levels', ''],
      ['m.room.member', sender],
      ...(content.membership === 'join' ? [['m.room.join_rules', '']] : []),
    ] as [string, string][]
    const wanted = keys.filter(([key]) => !(room.version.roomIdIsCreateHash && key === 'm.room.create'))
    const current = await this.engine.current(room.id)
    const auth = await this.engine.database.read((conn) =>
      this.engine.deps.roomCache.stateEvents(
        conn,
        current,
        wanted.map(([of, key]) => ({ type: of, stateKey: key })),
      ),
    )
    const event = remoteEvent(room.version, {
      roomId: room.id,
      sender,
      type,
      content,
      ...(stateKey === undefined ? {} : { stateKey }),
      prev: [newest],
      auth: auth.filter((each) => each !== undefined),
    })
    const origin = sender.slice(sender.indexOf(':') + 1) as ServerName
    const [verdict] = await receive(this.engine.deps, { door: 'send_join', origin, roomId: room.id, pdus: [event.pdu] })
    if (verdict?.verdict !== 'accepted') throw new Error(`${verdict?.verdict}: ${verdict?.error}`)
    return event
  }

  async newest(room: Pick<Room, 'id' | 'nid' | 'version'>): Promise<RoomEvent> {
    const current = await this.engine.current(room.id)
    return this.load(room, current.extremities.at(-1)?.eventId as EventId)
  }

  async load(room: Pick<Room, 'id' | 'nid' | 'version'>, eventId: EventId): Promise<RoomEvent> {
    const found = await this.engine.database.read((conn) => loadEventsByIds(conn, room, [eventId]))
    return found.get(eventId)?.event as RoomEvent
  }

  async say(roomId: RoomId, sender: UserId, body: string): Promise<RoomEvent> {
    return this.engine.append(roomId, { type: 'm.room.message', content: { msgtype: 'm.text', body }, sender })
  }

  async setState(roomId: RoomId, sender: UserId, type: string, content: JsonObject): Promise<RoomEvent> {
    return this.engine.append(roomId, { type, stateKey: '', content, sender })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (this.deps.destinations as Destinations).settled()
    await this.engine[Symbol.asyncDispose]()
  }
}
