import { readFileSync } from 'node:fs'
import { Agent, request as httpsRequest } from 'node:https'
import { isRefusal } from '../../src/protocol/event-refusal.ts'
import type { RoomEvent } from '../../src/protocol/event.ts'
import type { RoomId, ServerName, UserId } from '../../src/protocol/ids.ts'
import type { Json, JsonObject } from '../../src/protocol/json-types.ts'
import { parseEvent } from '../../src/protocol/parse-event.ts'
import { roomVersions } from '../../src/protocol/room-version.ts'
import type { RoomVersion } from '../../src/protocol/room-version.ts'
import { sealEvent } from '../../src/protocol/seal-event.ts'
import { EvilServer } from './evil.ts'
import type { LetheProcess } from './lethe-process.ts'
import { freePorts } from './ports.ts'
import type { TestTls } from './tls.ts'

/** A room in which a user of the peer is: what their next event builds on. */
export interface PeerRoom {
  readonly roomId: RoomId
  /** the auth events of a message of theirs */
  readonly auth: readonly RoomEvent[]
  readonly state: readonly RoomEvent[]
  last: RoomEvent
}

export interface PeerAnswer {
  readonly status: number
  readonly json: Readonly<Record<string, Json>>
}

/** An honest homeserver of a test, over TLS: it hosts rooms that others join, joins theirs, and sends transactions. */
export class ScriptedPeer {
  readonly evil: EvilServer
  readonly version = roomVersions.get('11') as RoomVersion
  readonly user: UserId
  readonly #ca: Buffer
  readonly #hosted = new Map<string, PeerRoom>()
  readonly #hidden: RoomEvent[] = []
  #agent: Agent
  #rooms = 0
  /** who asks for missing events gets no answer before this */
  #shown = Promise.resolve()
  #show = () => {}

  private constructor(name: string, tls: TestTls) {
    this.evil = new EvilServer(name, Date.now())
    this.user = `@peer:${name}`
    this.#ca = readFileSync(tls.ca)
    this.#agent = this.#newAgent()
    this.evil.handlers.push((request) => this.#answer(request))
  }

  static async start(tls: TestTls): Promise<ScriptedPeer> {
    const [port] = (await freePorts(1)) as [number]
    const peer = new ScriptedPeer(`localhost:${port}`, tls)
    await peer.evil.listen(tls, port)
    return peer
  }

  get name(): ServerName {
    return this.evil.name
  }

  /** Forgets connections to a server that is gone. */
  reconnect(): void {
    this.#agent.destroy()
    this.#agent = this.#newAgent()
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    await this.evil.close()
  }

  /** A signed request over TLS; throws where the connection ends without an answer. */
  request(to: LetheProcess, method: string, path: string, body?: Json): Promise<PeerAnswer> {
    const signed = this.evil.request(to.name as ServerName, method, path, body)
    const headers = Object.fromEntries(signed.headers)
    const url = new URL(`${to.federationUrl}${path}`)
    return new Promise((resolve, reject) => {
      const call = httpsRequest(
        { host: url.hostname, port: url.port, path, method, headers, agent: this.#agent, servername: 'localhost' },
        (answer) => {
          const chunks: Buffer[] = []
          answer.on('data', (chunk: Buffer) => chunks.push(chunk))
          answer.on('error', reject)
          answer.on('end', () => {
            const json = JSON.parse(Buffer.concat(chunks).toString()) as PeerAnswer['json']
            resolve({ status: answer.statusCode ?? 0, json })
          })
        },
      )
      call.on('error', reject)
      void signed.text().then((text) => call.end(text))
    })
  }

  /** Sends PDUs as one transaction. */
  send(to: LetheProcess, txnId: string, events: readonly RoomEvent[]): Promise<PeerAnswer> {
    return this.request(to, 'PUT', `/_matrix/federation/v1/send/${txnId}`, {
      origin: this.name,
      origin_server_ts: Date.now(),
      pdus: events.map(({ pdu }) => pdu),
    })
  }

  /** Joins the peer's user to a public room of a server. */
  async join(to: LetheProcess, roomId: string): Promise<PeerRoom> {
    const place = `${encodeURIComponent(roomId)}/`
    const made = await this.request(
      to,
      'GET',
      `/_matrix/federation/v1/make_join/${place}${encodeURIComponent(this.user)}?ver=${this.version.id}`,
    )
    if (made.status !== 200) throw new Error(`make_join: ${made.status} ${JSON.stringify(made.json)}`)
    const { origin: _origin, ...template } = made.json['event'] as JsonObject
    const join = this.#seal({ ...template, origin_server_ts: Date.now() })
    const path = `/_matrix/federation/v2/send_join/${place}${encodeURIComponent(join.eventId)}`
    const sent = await this.request(to, 'PUT', path, join.pdu)
    if (sent.status !== 200) throw new Error(`send_join: ${sent.status} ${JSON.stringify(sent.json)}`)
    const state = (sent.json['state'] as Json[]).map((pdu) => parseEvent(this.version, pdu as JsonObject) as RoomEvent)
    const auth = state.filter(({ type }) => type === 'm.room.create' || type === 'm.room.power_levels')
    return { roomId: roomId as RoomId, auth: [...auth, join], state: [...state, join], last: join }
  }

  /** A new public room of the peer's user, for others to join. */
  host(): RoomId {
    const roomId: RoomId = `!hosted${this.#rooms++}:${this.name}`
    const state: RoomEvent[] = []
    const add = (type: string, stateKey: string, content: JsonObject) => {
      const named = state.filter((event) =>
        ['m.room.create', 'm.room.power_levels', 'm.room.member'].includes(event.type),
      )
      const last = state.at(-1)
      state.push(this.#next(roomId, last, named, { type, state_key: stateKey, content }))
    }
    add('m.room.create', '', { room_version: this.version.id })
    add('m.room.member', this.user, { membership: 'join' })
    add('m.room.power_levels', '', { users: { [this.user]: 100 } })
    add('m.room.join_rules', '', { join_rule: 'public' })
    const auth = state.filter(({ type }) => type !== 'm.room.join_rules')
    this.#hosted.set(roomId, { roomId, auth, state, last: state.at(-1) as RoomEvent })
    return roomId
  }

  /** The next message of the peer's user in a room. */
  message(room: PeerRoom, body: string): RoomEvent {
    room.last = this.#next(room.roomId, room.last, room.auth, {
      type: 'm.room.message',
      content: { msgtype: 'm.text', body },
    })
    return room.last
  }

  /** As `message`; it is not sent, but who misses it may ask for it. */
  hiddenMessage(room: PeerRoom, body: string): RoomEvent {
    const event = this.message(room, body)
    this.#hidden.push(event)
    return event
  }

  /** From now on who asks for missing events waits, until `show`. */
  hide(): void {
    this.#shown = new Promise((resolve) => (this.#show = resolve))
  }

  show(): void {
    this.#show()
  }

  #next(roomId: RoomId, last: RoomEvent | undefined, auth: readonly RoomEvent[], fields: JsonObject): RoomEvent {
    return this.#seal({
      ...fields,
      room_id: roomId,
      sender: this.user,
      depth: (last?.depth ?? 0) + 1,
      origin_server_ts: Date.now(),
      prev_events: last === undefined ? [] : [last.eventId],
      auth_events: auth.map(({ eventId }) => eventId),
    })
  }

  #seal(fields: JsonObject): RoomEvent {
    const event = sealEvent(this.version, fields, this.name, this.evil.key)
    if (isRefusal(event)) throw new Error(event.reason)
    return event
  }

  #newAgent(): Agent {
    return new Agent({ ca: this.#ca, keepAlive: true, maxSockets: 4 })
  }

  async #answer(request: Request): Promise<Response | undefined> {
    const { pathname } = new URL(request.url)
    const [, , , , action = '', roomPart = '', last = ''] = pathname.split('/')
    if (action === 'send') return Response.json({ pdus: {} })
    if (action === 'get_missing_events') {
      await this.#shown
      return Response.json({ events: this.#hidden.map(({ pdu }) => pdu) })
    }
    const room = this.#hosted.get(decodeURIComponent(roomPart))
    if (room === undefined) return undefined
    if (action === 'make_join') return Response.json(this.#template(room, decodeURIComponent(last)))
    if (action !== 'send_join') return undefined
    const state = room.state.map(({ pdu }) => pdu)
    const event = (await request.json()) as JsonObject
    return Response.json({ origin: this.name, event, state, auth_chain: state, members_omitted: false })
  }

  #template({ roomId, state, last }: PeerRoom, userId: string) {
    const ours = ['m.room.create', 'm.room.power_levels', 'm.room.join_rules']
    const event = {
      type: 'm.room.member',
      room_id: roomId,
      sender: userId,
      state_key: userId,
      content: { membership: 'join' },
      depth: last.depth + 1,
      origin_server_ts: Date.now(),
      prev_events: [last.eventId],
      auth_events: state.filter(({ type }) => ours.includes(type)).map(({ eventId }) => eventId),
    }
    return { room_version: this.version.id, event }
  }
}
