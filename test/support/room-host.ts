import { Agent, request as send } from 'undici'
import { readFileSync } from 'node:fs'
import { canonicalJson } from '../../src/protocol/canonical-json.ts'
import { isRefusal } from '../../src/protocol/event-refusal.ts'
import type { RoomEvent } from '../../src/protocol/event.ts'
import type { EventId, ServerName } from '../../src/protocol/ids.ts'
import { parseJson } from '../../src/protocol/json.ts'
import type { Json, JsonObject } from '../../src/protocol/json-types.ts'
import { parseEvent } from '../../src/protocol/parse-event.ts'
import { EvilServer } from './evil.ts'
import type { HostedRoom } from './hosted-room.ts'
import { freePorts } from './ports.ts'
import type { TestTls } from './tls.ts'

/**
 * A peer on loopback TLS that holds rooms of its own: real homeservers join through it, and it offers them events in
 * transactions. It answers what a joined server may ask.
 */
export class RoomHost {
  readonly server: EvilServer
  readonly rooms = new Map<string, HostedRoom>()
  /** requests that it had no answer for */
  readonly unanswered: string[] = []
  readonly #agent: Agent
  #transactions = 0

  private constructor(server: EvilServer, agent: Agent) {
    this.server = server
    this.#agent = agent
    server.handlers.push(async (request) => this.#answer(request))
  }

  static async start(tls: TestTls): Promise<RoomHost> {
    const [port] = (await freePorts(1)) as [number]
    const server = new EvilServer(`localhost:${port}`, Date.now())
    await server.listen(tls, port)
    return new RoomHost(server, new Agent({ connect: { ca: readFileSync(tls.ca) } }))
  }

  async close(): Promise<void> {
    await this.#agent.close()
    await this.server.close()
  }

  /** A signed request to a server on loopback; its answer as JSON. */
  async call(
    to: string,
    method: 'GET' | 'PUT',
    target: string,
    body?: Json,
  ): Promise<{ status: number; body: JsonObject }> {
    const request = this.server.request(to as ServerName, method, target, body)
    const answer = await send(`https://${to}${target}`, {
      method,
      dispatcher: this.#agent,
      headers: Object.fromEntries(request.headers),
      ...(body === undefined ? {} : { body: canonicalJson(body) }),
    })
    return { status: answer.statusCode, body: (await answer.body.json()) as JsonObject }
  }

  /** Offers events in transactions of 50. Returns the errors by event id. */
  async offer(to: string, events: readonly RoomEvent[]): Promise<Map<string, string>> {
    const errors = new Map<string, string>()
    for (let from = 0; from < events.length; from += 50) {
      const pdus = events.slice(from, from + 50).map(({ pdu }) => pdu)
      const { status, body } = await this.call(to, 'PUT', `/_matrix/federation/v1/send/t${this.#transactions++}`, {
        origin: this.server.name,
        origin_server_ts: Date.now(),
        pdus,
        edus: [],
      })
      if (status !== 200) throw new Error(`${to}: ${status} ${JSON.stringify(body)}`)
      for (const [id, { error }] of Object.entries((body['pdus'] ?? {}) as Record<string, { error?: string }>))
        if (error !== undefined) errors.set(id, error)
    }
    return errors
  }

  async #answer(request: Request): Promise<Response | undefined> {
    const url = new URL(request.url)
    const [kind = '', ...rest] = url.pathname
      .replace(/^\/_matrix\/federation\/v[12]\//, '')
      .split('/')
      .map(decodeURIComponent)
    const answer = this.#federation(kind, rest, url.searchParams, await request.text())
    if (answer !== undefined) return Response.json(answer)
    if (url.pathname !== '/_matrix/key/v2/server') this.unanswered.push(`${request.method} ${url.pathname}`)
    return undefined
  }

  #federation(
    kind: string,
    [first = '', second = '']: string[],
    query: URLSearchParams,
    text: string,
  ): object | undefined {
    const room = this.rooms.get(first)
    if (kind === 'send') return { pdus: {} }
    if (kind === 'version') return { server: { name: 'scripted', version: '1' } }
    if (kind === 'event') {
      const found = [...this.rooms.values()].flatMap((each) => each.placed.get(first as EventId) ?? [])
      return found.length === 0
        ? undefined
        : { origin: this.server.name, origin_server_ts: 0, pdus: [found[0]?.event.pdu] }
    }
    if (room === undefined) return undefined
    const pdus = (events: Iterable<RoomEvent>) => [...events].map(({ pdu }) => pdu)
    switch (kind) {
      case 'make_join':
        return {
          room_version: room.version.id,
          event: {
            ...room.fields({
              type: 'm.room.member',
              sender: second,
              stateKey: second,
              content: { membership: 'join' },
            }),
            origin: this.server.name,
          },
        }
      case 'send_join': {
        const event = parseEvent(room.version, parseJson(text, { mode: 'spelled' }) as JsonObject)
        if (isRefusal(event)) return undefined
        const before = room.stateAfter(event.prevEventIds)
        room.place(event)
        return {
          origin: this.server.name,
          event: event.pdu,
          members_omitted: false,
          state: pdus(before.values()),
          auth_chain: pdus(room.authChain([event, ...before.values()])),
        }
      }
      case 'state':
      case 'state_ids': {
        const placed = room.placed.get(query.get('event_id') as EventId)
        if (placed === undefined) return undefined
        const state = [...room.stateAfter(placed.event.prevEventIds).values()]
        const chain = room.authChain(state)
        return kind === 'state'
          ? { pdus: pdus(state), auth_chain: pdus(chain) }
          : { pdu_ids: state.map(({ eventId }) => eventId), auth_chain_ids: chain.map(({ eventId }) => eventId) }
      }
      case 'event_auth': {
        const placed = room.placed.get(second as EventId)
        return placed && { auth_chain: pdus(room.authChain([placed.event])) }
      }
      case 'backfill':
        return {
          origin: this.server.name,
          origin_server_ts: 0,
          pdus: this.#before(room, query.getAll('v'), Number(query.get('limit') ?? 10)),
        }
      case 'get_missing_events': {
        const body = JSON.parse(text) as { latest_events: string[]; earliest_events: string[]; limit?: number }
        const latest = body.latest_events.flatMap((id) => room.placed.get(id as EventId)?.event.prevEventIds ?? [])
        return { events: this.#before(room, latest, body.limit ?? 10, body.earliest_events).toReversed() }
      }
      default:
        return undefined
    }
  }

  #before(room: HostedRoom, from: readonly string[], limit: number, stop: readonly string[] = []): JsonObject[] {
    const seen = new Set<string>(stop)
    const found: JsonObject[] = []
    const waiting = [...from]
    for (let id = waiting.shift(); id !== undefined && found.length < limit; id = waiting.shift()) {
      const event = room.placed.get(id as EventId)?.event
      if (event === undefined || seen.has(id)) continue
      seen.add(id)
      found.push(event.pdu)
      waiting.push(...event.prevEventIds)
    }
    return found
  }
}
