import type { EventId, ServerName, UserId } from '../../../src/protocol/ids.ts'
import { parseJson } from '../../../src/protocol/json.ts'
import type { Json, JsonObject } from '../../../src/protocol/json-types.ts'
import { sqlQuery } from '../../../src/store/query.ts'
import { testKey } from '../engine.ts'
import type { EvilHandler, EvilServer, Twist } from '../evil.ts'
import { type Answer, RoomsWorld, type WorldServer, type WorldUser } from '../rooms-world.ts'
import { EvilRoom, type RoomOptions } from './room.ts'

export const us = 'a.test' as ServerName
export const them = 'evil.test' as ServerName
const at = encodeURIComponent

/** What is stored of an event. */
export interface StoredEvent {
  readonly event_id: string
  readonly json: string
  readonly rejected: string | null
  readonly soft_failed: number
  readonly outlier: number
  readonly ord: number | null
  readonly room_nid: number
}

const columns = 'event_id, json, rejected, soft_failed, outlier, ord, room_nid'
const findRows = sqlQuery<{ eventId: string; marker: string }, StoredEvent>(
  'test_findMarked',
  `select ${columns} from events where event_id = :eventId or json like :marker order by event_nid`,
)
const listRows = sqlQuery<{ ids: readonly string[] }, StoredEvent>(
  'test_listStored',
  ({ list }) => `select ${columns} from events where event_id in ${list('ids', 'text')}`,
)

/** One server of ours with one user, and the hostile server with the rooms that she is in. */
export class Stage {
  readonly world: RoomsWorld
  readonly server: WorldServer
  readonly evil: EvilServer
  readonly alice: WorldUser
  /** a user of ours who is in no room */
  readonly bob: UserId
  #txn = 0

  constructor(world: RoomsWorld, server: WorldServer, evil: EvilServer, alice: WorldUser, bob: UserId) {
    this.world = world
    this.server = server
    this.evil = evil
    this.alice = alice
    this.bob = bob
  }

  static async start(): Promise<Stage> {
    const world = await RoomsWorld.start(us)
    const evil = world.evil(them)
    evil.key = testKey(them)
    // what we send it, it takes: it is never put off as a server that is down
    evil.handlers.push(answers({ send: () => '{"pdus":{}}' }))
    const server = world.server(us)
    return new Stage(world, server, evil, await server.user('alice'), (await server.user('bob')).id)
  }

  /** A room of the hostile server that alice has joined. */
  async room(options: RoomOptions = {}): Promise<EvilRoom> {
    const room = new EvilRoom(this.evil, options)
    const { status, body } = await this.join(room)
    if (status !== 200) throw new Error(`alice did not come in: ${status} ${JSON.stringify(body)}`)
    return room
  }

  /** Lets alice join; `answers` are laid over what the room would answer. */
  async join(
    room: EvilRoom,
    answers: { readonly prev?: readonly Json[]; readonly sendJoin?: () => string } = {},
  ): Promise<Answer> {
    return this.while(
      async (request) => {
        const { pathname } = new URL(request.url)
        if (pathname.includes('/make_join/')) return Response.json(room.template(this.alice.id, 'join', answers.prev))
        if (!pathname.includes('/send_join/')) return undefined
        const body = parseJson(await request.text(), { mode: 'spelled' })
        const text = answers.sendJoin?.() ?? JSON.stringify(room.joinAnswer())
        room.accept(body)
        return raw(text)
      },
      () => this.alice.call('POST', `/join/${at(room.id)}?server_name=${them}`),
    )
  }

  /** Runs something while the hostile server answers like this first of all. */
  async while<T>(handler: EvilHandler, fn: () => Promise<T>): Promise<T> {
    this.evil.handlers.push(handler)
    try {
      return await fn()
    } finally {
      this.evil.handlers.splice(this.evil.handlers.indexOf(handler), 1)
    }
  }

  /** A signed request of the hostile server with exactly this body. */
  async request(method: string, target: string, body?: string, twist: Twist = {}) {
    const parsed = body === undefined ? undefined : parseJson(body, { mode: 'spelled' })
    const made = this.evil.request(us, method, target, parsed, {
      ...(body === undefined ? {} : { rawBody: body }),
      ...twist,
    })
    const answer = await this.server.fetch(made)
    const text = await answer.text()
    return { status: answer.status, text, json: JSON.parse(text) as JsonObject }
  }

  /** A transaction of these PDUs, as texts. */
  async send(pdus: readonly string[], edus: readonly Json[] = []) {
    const head = `{"origin":"${them}","origin_server_ts":1,"edus":${JSON.stringify(edus)},"pdus":[`
    return this.request('PUT', `/_matrix/federation/v1/send/t${++this.#txn}`, `${head}${pdus.join(',')}]}`)
  }

  /** Rows of an event: by its id, and whatever else holds the marker. */
  async stored(eventId: EventId, marker = eventId as string): Promise<StoredEvent[]> {
    return this.server.composed.deps.database.read((conn) => findRows(conn, { eventId, marker: `%${marker}%` }))
  }

  async storedByIds(ids: readonly string[]): Promise<Map<string, StoredEvent>> {
    const rows = await this.server.composed.deps.database.read((conn) => listRows(conn, { ids }))
    return new Map(rows.map((row) => [row.event_id, row]))
  }

  async extremities(room: EvilRoom): Promise<string[]> {
    return (await this.server.room(room.id)).extremities.map(({ eventId }) => eventId)
  }

  async [Symbol.asyncDispose]() {
    await this.world[Symbol.asyncDispose]()
  }
}

/** Answers by the kind of request that is in the path: `{ event_auth: () => '{"auth_chain":[]}' }`. */
export function answers(byPart: Readonly<Record<string, () => string>>): EvilHandler {
  return (request) => {
    const { pathname } = new URL(request.url)
    const found = Object.keys(byPart).find((part) => pathname.includes(`/v1/${part}/`))
    return found === undefined ? undefined : raw((byPart[found] as () => string)())
  }
}

/** An answer of exactly these bytes. */
export function raw(text: string | Uint8Array, status = 200): Response {
  return new Response(text as string, { status, headers: { 'content-type': 'application/json' } })
}

/** An honest user of the hostile server. */
export function userOf(localpart: string): UserId {
  return `@${localpart}:${them}`
}
