import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { RoomEvent } from '../../src/protocol/event.ts'
import { ApiClient, ApiError } from './api-client.ts'
import { LetheProcess } from './lethe-process.ts'
import { RawConnection, prepareRequest } from './raw-http.ts'
import { ScriptedPeer } from './scripted-peer.ts'
import type { PeerRoom } from './scripted-peer.ts'
import { SyncFollower } from './sync-follower.ts'
import { makeTls } from './tls.ts'

const senderCount = 4
const fewEach = 4

/** What a part of the load does; the others always run. */
export interface LoadPlan {
  readonly erases: boolean
  readonly joinsRemotely: boolean
}

interface Erased {
  readonly client: ApiClient
  readonly events: readonly string[]
}

/** Ends an actor of the load: the server did not answer. Any other error is a failure of the test. */
class Cut extends Error {}

/**
 * A built server with a scripted peer, and everything that it acknowledged to those who use it: what must still be there
 * after a crash. `retries` are the requests that never got an answer, as their clients would repeat them.
 */
export class CrashWorld {
  readonly acknowledged = new Map<string, string>()
  readonly joined: string[] = []
  readonly uploaded: { readonly mxc: string; readonly sha256: string }[] = []
  readonly erased: Erased[] = []
  readonly transactions: { readonly txnId: string; readonly repeat: () => Promise<string>; readonly answer: string }[] =
    []
  retries: (() => Promise<void>)[] = []
  readonly lethe: LetheProcess
  readonly peer: ScriptedPeer
  readonly senders: ApiClient[] = []
  readonly follower: SyncFollower
  readonly sharedFollower: SyncFollower
  readonly host: ApiClient
  readonly joiner: ApiClient
  /** the room in which local users send, one in which the peer's user sends, one in which users are erased */
  readonly rooms: { readonly busy: string; readonly shared: PeerRoom; readonly quiet: string }
  #count = 0

  private constructor(
    lethe: LetheProcess,
    peer: ScriptedPeer,
    users: readonly ApiClient[],
    rooms: CrashWorld['rooms'],
  ) {
    this.lethe = lethe
    this.peer = peer
    const [host, joiner, ...senders] = users as [ApiClient, ApiClient, ...ApiClient[]]
    this.host = host
    this.joiner = joiner
    this.senders.push(...senders)
    this.rooms = rooms
    this.follower = new SyncFollower(rooms.busy)
    this.sharedFollower = new SyncFollower(rooms.shared.roomId)
  }

  static async start(folder: string): Promise<CrashWorld> {
    const tls = makeTls(folder)
    const peer = await ScriptedPeer.start(tls)
    const lethe = await LetheProcess.start({
      folder: join(folder, 'home'),
      tls,
      // an erasure ends with a rewrite of the database, which otherwise waits for others
      config: { erasure: { rewrite: { every: '0s' } } },
    })
    const users = await Promise.all(
      Array.from({ length: senderCount + 2 }, (_, i) => new ApiClient(lethe.clientUrl).register(`user${i}`)),
    )
    const host = users[0] as ApiClient
    const options = { preset: 'public_chat', room_version: peer.version.id }
    const [busy, quiet, shared] = [
      await host.createRoom(options),
      await host.createRoom(options),
      await host.createRoom(options),
    ]
    for (const user of users.slice(2)) await user.join(busy)
    const rooms = { busy, quiet, shared: await peer.join(lethe, shared) }
    const world = new CrashWorld(lethe, peer, users, rooms)
    await world.follower.step(host)
    await world.sharedFollower.step(host)
    return world
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lethe.stop('SIGKILL')
    await this.peer.close()
  }

  /** Everybody at work (the senders for a while only, where somebody is erased: that waits for a quiet moment) until the server is gone; resolves then. Throws for an answer that should not be. */
  async load(plan: LoadPlan): Promise<void> {
    const actors = [
      ...this.senders.map((sender) => this.#send(sender, plan.erases ? 5 * fewEach : Infinity)),
      this.#upload(),
      this.#joinLocally(),
      this.#sendFromPeer(),
      this.#follow(),
      ...(plan.joinsRemotely ? [this.#joinRemotely()] : []),
      ...(plan.erases ? [this.#erase()] : []),
    ]
    for (const result of await Promise.allSettled(actors))
      if (result.status === 'rejected' && !(result.reason instanceof Cut)) throw result.reason
  }

  /** The peer sends an event whose predecessor it does not give away for now; what it gets as an answer is kept. */
  async sendGap(): Promise<void> {
    this.peer.hide()
    const bodies = [`p${this.#count++}`, `p${this.#count++}`]
    const events = [this.peer.hiddenMessage(this.rooms.shared, bodies[0] as string)]
    events.push(this.peer.message(this.rooms.shared, bodies[1] as string))
    await this.#transaction(events.slice(1), () => {
      for (const [k, body] of bodies.entries()) this.#acknowledge(body, events[k]?.eventId as string)
    })
  }

  /** What clients do when the server is back: they repeat what was not answered. */
  async repeat(): Promise<void> {
    this.peer.reconnect()
    for (const retry of this.retries) await retry()
    this.retries = []
  }

  async #send(sender: ApiClient, most: number): Promise<void> {
    const connection = await cutOff(RawConnection.open(this.lethe.clientUrl))
    let before = async () => {}
    for (let i = 0; i < most; i++) {
      const body = `m${this.#count++}`
      const send = async (over: RawConnection) => {
        const path = `/_matrix/client/v3/rooms/${encodeURIComponent(this.rooms.busy)}/send/m.room.message/${body}`
        return ask(over, prepareRequest('PUT', path, sender.token as string, { msgtype: 'm.text', body }), 'event_id')
      }
      const unanswered = async () => {
        const over = await RawConnection.open(this.lethe.clientUrl)
        const [first, second] = [await send(over), await send(over)]
        over.close()
        if (first !== second) throw new Error(`${body} is two events: ${first} and ${second}`)
        this.#acknowledge(body, first)
        await previous()
      }
      const previous = before
      before = async () => {
        const over = await RawConnection.open(this.lethe.clientUrl)
        this.#acknowledge(body, await send(over))
        over.close()
      }
      this.#acknowledge(body, await this.#orAgain(send(connection), unanswered))
    }
    connection.close()
  }

  #acknowledge(body: string, id: string): void {
    const before = this.acknowledged.get(body)
    if (before !== undefined && before !== id) throw new Error(`${body} was ${before} and is ${id}`)
    this.acknowledged.set(body, id)
  }

  async #upload(): Promise<void> {
    const connection = await cutOff(RawConnection.open(this.lethe.clientUrl))
    for (let i = 0; i < fewEach; i++) {
      const bytes = randomBytes(10_000 + i * 30_000)
      const head = `POST /_matrix/media/v3/upload?filename=f HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${this.host.token}\r\nContent-Type: application/octet-stream\r\nContent-Length: ${bytes.length}\r\n\r\n`
      const request = Buffer.concat([Buffer.from(head), bytes])
      const mxc = await cutOff(ask(connection, request, 'content_uri'))
      this.uploaded.push({ mxc, sha256: createHash('sha256').update(bytes).digest('hex') })
    }
    connection.close()
  }

  async #joinLocally(): Promise<void> {
    const connection = await cutOff(RawConnection.open(this.lethe.clientUrl))
    for (let i = 0; i < fewEach; i++) {
      const create = prepareRequest('POST', '/_matrix/client/v3/createRoom', this.host.token as string, {
        preset: 'public_chat',
      })
      const room = await cutOff(ask(connection, create, 'room_id'))
      await this.#join(room)
    }
    connection.close()
  }

  /** Joins and remembers; where no answer comes, that is done again later. */
  async #join(room: string, via?: string): Promise<void> {
    const again = async () => {
      await this.joiner.join(room, via)
      if (!this.joined.includes(room)) this.joined.push(room)
    }
    await this.#orAgain(again(), again)
  }

  async #joinRemotely(): Promise<void> {
    for (let i = 0; i < 2; i++) await this.#join(this.peer.host(), this.peer.name)
  }

  async #sendFromPeer(): Promise<void> {
    for (let i = 0; i < 2 * fewEach; i++) {
      const bodies = Array.from({ length: 1 + ((i * 5) % 15) }, () => `p${this.#count++}`)
      const events = bodies.map((body) => this.peer.message(this.rooms.shared, body))
      await this.#transaction(events, () => {
        for (const [k, body] of bodies.entries()) this.#acknowledge(body, events[k]?.eventId as string)
      })
    }
  }

  /** Sends a transaction of the peer, again later where no answer comes. Throws where an event of it is refused. */
  async #transaction(events: readonly RoomEvent[], onAnswer: () => void): Promise<void> {
    const txnId = `t${this.#count++}`
    const send = async () => {
      const { status, json } = await this.peer.send(this.lethe, txnId, events)
      const verdicts = Object.values((json['pdus'] ?? {}) as Record<string, { error?: string }>)
      if (status !== 200 || verdicts.some(({ error }) => error !== undefined))
        throw new TypeError(`${txnId}: ${status} ${JSON.stringify(json)}`)
      return JSON.stringify(json)
    }
    const answered = async () => {
      this.transactions.push({ txnId, repeat: send, answer: await send() })
      onAnswer()
    }
    await this.#orAgain(answered(), answered)
  }

  async #follow(): Promise<void> {
    for (;;) await cutOff(this.follower.step(this.host, 1000))
  }

  /** A user of their own comes, writes, and is erased. */
  async #erase(): Promise<void> {
    const password = 'correct horse battery'
    const client = await cutOff(new ApiClient(this.lethe.clientUrl).register(`erased${this.#count++}`, password))
    const events: string[] = []
    await cutOff(client.join(this.rooms.quiet))
    for (const text of ['one', 'two']) events.push(await cutOff(client.send(this.rooms.quiet, text)))
    const erase = () => client.confirmed('POST', '/_matrix/client/v3/account/deactivate', { erase: true }, password)
    const unanswered = async () => {
      // done is done: whose request was not answered finds the account gone, or asks again
      if (!(await isGone(client))) await erase()
      this.erased.push({ client, events })
    }
    const done = async () => {
      await erase()
      this.erased.push({ client, events })
    }
    await this.#orAgain(done(), unanswered)
  }

  async #orAgain<T>(promise: Promise<T>, unanswered: () => Promise<void>): Promise<T> {
    try {
      return await cutOff(promise)
    } catch (error) {
      if (error instanceof Cut) this.retries.push(unanswered)
      throw error
    }
  }
}

/** Whether nobody can use the account any more. */
export async function isGone(client: ApiClient): Promise<boolean> {
  try {
    await client.call('GET', '/_matrix/client/v3/account/whoami')
    return false
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return true
    throw error
  }
}

async function ask(connection: RawConnection, request: Buffer, field: string): Promise<string> {
  const { status, body } = await connection.request(request)
  if (status !== 200) throw new ApiError('raw', field, status, JSON.parse(body) as Record<string, unknown>)
  return (JSON.parse(body) as Record<string, string>)[field] as string
}

/** Makes a Cut of an error that is no answer. */
async function cutOff<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    if (error instanceof ApiError || (error instanceof TypeError && error.message !== 'fetch failed')) throw error
    if (error instanceof Error && /^\S+ (is two|was)/.test(error.message)) throw error
    throw new Cut('no answer', { cause: error })
  }
}
