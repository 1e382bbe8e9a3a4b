import { events, forward_extremities } from '../../schema/tables/events.ts'
import { outbound_rooms } from '../../schema/tables/federation.ts'
import { rooms } from '../../schema/tables/rooms.ts'
import { FederationClient } from '../../src/federation/client.ts'
import { Destinations } from '../../src/federation/destinations.ts'
import { Discovery } from '../../src/federation/discovery.ts'
import { KeyRing } from '../../src/federation/key-ring.ts'
import { Outbound } from '../../src/federation/outbound.ts'
import type { OwnKeys } from '../../src/federation/signing-key.ts'
import type { Prepare } from '../../src/federation/transaction.ts'
import type { ServerName, UserId } from '../../src/protocol/ids.ts'
import { generateSigningKey } from '../../src/protocol/sign.ts'
import type { Database, Tx } from '../../src/store/database.ts'
import { insertMany } from '../../src/store/insert-many.ts'
import { sqlQuery, sqlRun } from '../../src/store/query.ts'
import type { LogSync } from '../../src/store/sqlite-threads.ts'
import { putServer } from '../../src/store/servers.ts'
import { putUser } from '../../src/store/users.ts'
import { silentLog } from '../../src/util/log.ts'
import { systemRandom } from '../../src/util/system-ports.ts'
import { FakeNetwork } from './fake-net.ts'
import { makePlace, usualEngine, type Place } from './store.ts'
import { VirtualClock } from './virtual-clock.ts'

const insertEvents = insertMany('test_insertEvents', events, [
  'event_nid',
  'event_id',
  'room_nid',
  'type',
  'sender_nid',
  'origin_server_ts',
  'depth',
  'writer',
  'pos',
  'outlier',
  'soft_failed',
  'backfilled',
  'partial_state',
  'local',
  'received_ts',
  'json',
])
const insertRooms = insertMany('test_insertRooms', rooms, [
  'room_nid',
  'room_id',
  'version',
  'partial_state',
  'published',
])
const insertMarks = insertMany('test_insertMarks', outbound_rooms, ['server_nid', 'room_nid', 'sent_nid', 'until_nid'])
const insertExtremities = insertMany('test_insertExtremities', forward_extremities, ['room_nid', 'event_nid'])
const deleteExtremities = sqlRun<{ roomNid: number }>(
  'test_deleteExtremities',
  'delete from forward_extremities where room_nid = :roomNid',
)
const setLast = sqlRun<{ roomNid: number; nid: number }>(
  'test_setLast',
  'update rooms set last_local_nid = :nid where room_nid = :roomNid',
)
const listJson = sqlQuery<{ nids: readonly number[] }, { json: string }>(
  'test_listJson',
  ({ list }) => `select json from events where event_nid in ${list('nids', 'int')} order by event_nid`,
)

/** The stored text of events, as an honest reading side gives it to a server that may see all. */
export const prepareAll: Prepare = async (conn, _server, nids) =>
  (await listJson(conn, { nids })).map(({ json }) => json)

export interface HomeOptions {
  readonly network?: FakeNetwork
  readonly clock?: VirtualClock
  readonly place?: Place
  readonly prepare?: Prepare
  readonly trustedKeyServers?: readonly string[]
  readonly ownKeys?: OwnKeys
  /** syncs of the log take no time and no thread; nothing of SQLite is waited for then */
  readonly syncsAtOnce?: boolean
}

const syncAtOnce: LogSync = { sync: async () => ({ bytes: 0 }), close: async () => {} }

/** The federation of one server, over a fake network, a virtual clock and a real database. */
export class Home {
  readonly name: ServerName
  readonly clock: VirtualClock
  readonly network: FakeNetwork
  readonly place: Place
  readonly database: Database
  readonly ownKeys: OwnKeys
  readonly destinations: Destinations
  readonly discovery: Discovery
  readonly client: FederationClient
  readonly keyRing: KeyRing
  readonly outbound: Outbound
  #nextNid = 1

  get serverName(): ServerName {
    return this.name
  }

  constructor(
    name: string,
    parts: Required<Omit<HomeOptions, 'trustedKeyServers' | 'syncsAtOnce'>> & {
      database: Database
      trustedKeyServers: readonly string[]
    },
  ) {
    const { network, clock, place, database, ownKeys, prepare } = parts
    this.name = name as ServerName
    this.clock = clock
    this.network = network
    this.place = place
    this.database = database
    this.ownKeys = ownKeys
    const net = network.netFor(name)
    const common = {
      serverName: this.name,
      database,
      clock,
      random: systemRandom,
      log: silentLog,
      net,
      extraCa: [],
      enabled: true,
    }
    this.discovery = new Discovery({ net, dns: network.dns, clock, random: systemRandom, staticRoutes: {} })
    this.destinations = new Destinations({ ...common, retry: { initialMs: 30_000, maxMs: 24 * 3_600_000 } })
    const transport = { ...common, discovery: this.discovery, destinations: this.destinations }
    this.client = new FederationClient({ ...transport, signingKey: ownKeys.current })
    this.keyRing = new KeyRing({ ...transport, ownKeys, trustedKeyServers: parts.trustedKeyServers as ServerName[] })
    this.outbound = new Outbound({ ...common, federation: this.client, destinations: this.destinations, prepare })
  }

  static async make(name: string, options: HomeOptions = {}): Promise<Home> {
    const clock = options.clock ?? new VirtualClock()
    const place = options.place ?? (await makePlace(usualEngine))
    const isAtOnce = options.syncsAtOnce === true && place.engine === 'sqlite'
    const database = await place.open(isAtOnce ? { logSync: syncAtOnce } : {})
    if (isAtOnce) clock.patience = 6
    return new Home(name, {
      clock,
      network: options.network ?? new FakeNetwork(clock),
      place,
      database,
      prepare: options.prepare ?? prepareAll,
      trustedKeyServers: options.trustedKeyServers ?? [],
      ownKeys: options.ownKeys ?? { current: generateSigningKey((size) => systemRandom.bytes(size)), old: [] },
    })
  }

  /** A room that these servers are in from now on. Returns row ids. */
  async room(roomNid: number, servers: readonly string[]): Promise<number[]> {
    return this.database.write(async (tx) => {
      await insertRooms(tx, [
        {
          room_nid: roomNid,
          room_id: `!r${roomNid}:${this.name}`,
          version: '10',
          partial_state: false,
          published: false,
        },
      ])
      const nids: number[] = []
      for (const server of servers) nids.push(await putServer(tx, server as ServerName))
      await insertMarks(
        tx,
        nids.map((server_nid) => ({ server_nid, room_nid: roomNid, sent_nid: 0, until_nid: null })),
      )
      return nids
    })
  }

  /** Stores events of ours in a room; returns their row ids. */
  async say(roomNid: number, count = 1, type = 'm.room.message', sender = `@u:${this.name}`): Promise<number[]> {
    return this.database.write((tx) => this.sayIn(tx, roomNid, count, type, sender))
  }

  async sayIn(tx: Tx, roomNid: number, count: number, type: string, sender: string): Promise<number[]> {
    const sender_nid = await putUser(tx, sender as UserId)
    const nids = Array.from({ length: count }, () => this.#nextNid++)
    const base = {
      room_nid: roomNid,
      type,
      sender_nid,
      origin_server_ts: this.clock.now(),
      depth: 1,
      writer: 1,
      pos: 1,
    }
    const flags = { outlier: false, soft_failed: false, backfilled: false, partial_state: false, received_ts: 0 }
    const local = sender.endsWith(`:${this.name}`)
    await insertEvents(
      tx,
      nids.map((event_nid) => ({
        ...base,
        ...flags,
        local,
        event_nid,
        event_id: `$e${event_nid}`,
        json: `{"n":${event_nid},"type":"${type}"}`,
      })),
    )
    const last = nids.at(-1) as number
    await deleteExtremities(tx, { roomNid })
    await insertExtremities(tx, [{ room_nid: roomNid, event_nid: last }])
    if (local) await setLast(tx, { roomNid, nid: last })
    return nids
  }

  /** Waits for something while time passes. */
  async passing<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    work.then(
      () => (isDone = true),
      () => (isDone = true),
    )
    await this.clock.until(() => isDone)
    return work
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.outbound.stop()
    await this.destinations.settled()
    await this.place[Symbol.asyncDispose]()
  }
}
