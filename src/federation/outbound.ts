import { setMaxListeners } from 'node:events'
import type { ServerName } from '../protocol/ids.ts'
import type { JsonObject } from '../protocol/json-types.ts'
import type { Tx } from '../store/database.ts'
import { releaseAllDestinations } from '../store/destinations.ts'
import { insertOutboundEdus, listWaitingDestinations, trimOutboundEdus } from '../store/outbound.ts'
import { findServerNid, serverNameOfNid } from '../store/servers.ts'
import { Semaphore } from '../util/semaphore.ts'
import type { EphemeralEdu, OutboundDeps } from './outbound-deps.ts'
import { OutboundQueue, type QueueDeps } from './outbound-queue.ts'

/** A server by its row id or its name. */
export type Destination = number | ServerName

/** After a start, so many destinations a second are begun with. */
const startsPerSecond = 100
/** Requests at once to destinations that answer, and to those that did not answer the last time. */
const healthyAtOnce = 512
const failingAtOnce = 32
/** Transactions that are put together at once: more would only hold up other writes. */
const buildsAtOnce = 8
const pollMs = 5_000
const trimMs = 3_600_000
const maxEdus = 10_000
const eduLifetimeMs = 30 * 24 * 3_600_000

/** What other servers must get from us: durable queues by destination, and ephemeral EDUs beside them. */
export class Outbound {
  readonly #deps: OutboundDeps
  readonly #queueDeps: QueueDeps
  readonly #queues = new Map<number, OutboundQueue>()
  readonly #byName = new Map<ServerName, number>()
  readonly #stopping = new AbortController()
  readonly #background = new Set<Promise<void>>()
  #stopTimers: (() => void)[] = []
  #isStarted = false

  constructor(deps: OutboundDeps) {
    this.#deps = deps
    // one for each request that is under way
    setMaxListeners(0, this.#stopping.signal)
    this.#queueDeps = {
      ...deps,
      signal: this.#stopping.signal,
      healthy: new Semaphore(healthyAtOnce),
      failing: new Semaphore(failingAtOnce),
      builds: new Semaphore(buildsAtOnce),
      isShared: deps.database.engine === 'postgres',
    }
  }

  /** Begins with what waited at the last stop, a few destinations at a time. */
  async start(): Promise<void> {
    if (!this.#deps.enabled) return
    const { clock, database, destinations } = this.#deps
    await destinations.load()
    this.#isStarted = true
    this.#stopTimers.push(destinations.onUsable((server, inMs) => void this.#track(this.#retry(server, inMs))))
    const waiting = await this.#waiting()
    for (const [index, { serverNid, name }] of waiting.entries()) {
      const queue = this.#queue(serverNid, name)
      queue.catchUp()
      queue.runIn((index * 1000) / startsPerSecond)
    }
    // Between processes waking is left to the poll; a lease that ran out is found by it, too.
    if (database.engine === 'postgres') this.#every(pollMs, () => this.#poll())
    this.#every(trimMs, () => database.write((tx) => trimOutboundEdus(tx, maxEdus, clock.now() - eduLifetimeMs)))
  }

  /** Gives up what is being sent (it is sent again after the next start) and sends nothing more. */
  async stop(): Promise<void> {
    this.#isStarted = false
    this.#stopping.abort()
    for (const stop of this.#stopTimers.splice(0)) stop()
    await Promise.all([...this.#queues.values()].map((queue) => queue.stop()))
    await Promise.all(this.#background)
    await this.#deps.destinations.settled()
    if (this.#deps.database.engine === 'postgres') await this.#deps.database.write(releaseAllDestinations)
  }

  /** Something stored waits for these servers. Call it after the commit. */
  wake(servers: Iterable<Destination>): void {
    if (!this.#isStarted) return
    for (const server of servers) void this.#track(this.#wakeOne(server))
  }

  /**
   * Queues an EDU that must arrive, in the caller's transaction; wakes the destinations after its commit.
   * `userNid`: the user that it speaks of.
   */
  async queueEdu(
    tx: Tx,
    serverNids: number | readonly number[],
    type: string,
    userNid: number,
    content: JsonObject,
  ): Promise<void> {
    const nids = [serverNids].flat()
    const createdTs = this.#deps.clock.now()
    await insertOutboundEdus(tx, nids, { type, userNid, content: JSON.stringify(content), createdTs })
    tx.afterCommit(() => this.wake(nids))
  }

  /** Sends an EDU with the next transaction; it is lost when the server is away. */
  sendEphemeral(servers: Iterable<Destination>, edu: EphemeralEdu): void {
    if (!this.#isStarted) return
    for (const server of servers) {
      void this.#track(
        this.#find(server).then((queue) => {
          queue?.addEphemeral(edu)
        }),
      )
    }
  }

  async #wakeOne(server: Destination): Promise<void> {
    const queue = await this.#find(server)
    queue?.run()
  }

  async #retry(server: ServerName, inMs: number): Promise<void> {
    const queue = await this.#find(server)
    queue?.runIn(inMs)
  }

  async #poll(): Promise<void> {
    await this.#deps.destinations.load()
    for (const { serverNid, name } of await this.#waiting()) this.#queue(serverNid, name).run()
  }

  async #waiting(): Promise<{ serverNid: number; name: ServerName }[]> {
    const waiting = await this.#deps.database.read(listWaitingDestinations)
    return waiting.filter(({ name }) => name !== this.#deps.serverName)
  }

  #every(ms: number, run: () => Promise<void>): void {
    const { clock, log } = this.#deps
    let cancel = () => {}
    const arm = () => {
      cancel = clock.setTimer(ms, () => {
        const done = run().catch((error: unknown) => log.error('a round of the outbound queues failed', { error }))
        void this.#track(done.then(() => (this.#isStarted ? arm() : undefined)))
      })
    }
    arm()
    this.#stopTimers.push(() => cancel())
  }

  async #find(server: Destination): Promise<OutboundQueue | undefined> {
    const { database, serverName } = this.#deps
    const nid =
      typeof server === 'number'
        ? server
        : (this.#byName.get(server) ?? (await database.read((conn) => findServerNid(conn, server))))
    if (nid === undefined) return undefined
    const known = this.#queues.get(nid)
    if (known !== undefined) return known
    const name = typeof server === 'number' ? await database.read((conn) => serverNameOfNid(conn, server)) : server
    return name === serverName || !this.#isStarted ? undefined : this.#queue(nid, name)
  }

  #queue(serverNid: number, name: ServerName): OutboundQueue {
    let queue = this.#queues.get(serverNid)
    if (queue === undefined) {
      queue = new OutboundQueue(this.#queueDeps, serverNid, name)
      this.#queues.set(serverNid, queue)
      this.#byName.set(name, serverNid)
    }
    return queue
  }

  #track(work: Promise<void>): Promise<void> {
    const done = work
      .catch((error: unknown) => this.#deps.log.error('an outbound queue could not be woken', { error }))
      .finally(() => this.#background.delete(done))
    this.#background.add(done)
    return done
  }
}
