import { canonicalJson } from '../protocol/canonical-json.ts'
import type { EventId, RoomAlias, RoomId, ServerName, UserId } from '../protocol/ids.ts'
import { isJsonObject } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { signText, type SigningKey } from '../protocol/sign.ts'
import { formatXMatrix } from '../protocol/x-matrix.ts'
import type { NetHead } from '../util/ports.ts'
import * as read from './answers.ts'
import type { Destinations } from './destinations.ts'
import { FederationError, badAnswer } from './errors.ts'
import { fetchJson, fetchStream, type TransportDeps, type TransportRequest } from './transport.ts'

/** A value of a query string; a list repeats its name. */
export type QueryValue = string | number | boolean | readonly string[] | undefined

/** One signed request. */
export interface FederationCall {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** from `/_matrix` on, every part already percent-encoded */
  readonly path: string
  readonly query?: Readonly<Record<string, QueryValue>>
  readonly body?: JsonObject
  /** instead of `body`: its canonical JSON */
  readonly bodyText?: string
  /** for the whole call; 60 s unless given */
  readonly deadlineMs?: number
  /** of the answer, after decompression; 1 MiB unless given */
  readonly maxBytes?: number
  /** `background`: fails at once while the destination is backing off. Unless given, somebody waits: it is tried. */
  readonly patience?: 'user' | 'background'
  /** whether a failure counts against the destination; true unless given */
  readonly isCounted?: boolean
  readonly signal?: AbortSignal
}

export interface FederationClientDeps extends TransportDeps {
  readonly serverName: ServerName
  readonly signingKey: SigningKey
  readonly destinations: Pick<Destinations, 'checkUsable' | 'succeeded' | 'failed'>
  /** whether federation is switched on at all */
  readonly enabled: boolean
}

const KiB = 1024
const MiB = 1024 * KiB
/** Rooms of a hundred thousand members exist. */
const stateBytes = 200 * MiB
const eventsBytes = 16 * MiB
const v1 = '/_matrix/federation/v1'
const v2 = '/_matrix/federation/v2'
const part = encodeURIComponent

/**
 * Signed requests to other servers (server-server API). Every function throws FederationError; answers are parsed
 * strictly, their events are not judged in any way: `rooms/receive.ts` does that.
 */
export class FederationClient {
  readonly #deps: FederationClientDeps

  constructor(deps: FederationClientDeps) {
    this.#deps = deps
  }

  /** Sends any request; returns the JSON object of a 200. */
  async request(destination: ServerName, call: FederationCall): Promise<JsonObject> {
    const answer = await this.requestJson(destination, call)
    if (!isJsonObject(answer)) throw badAnswer(destination, 'answered with JSON that is not an object')
    return answer
  }

  /** As `request`, for any JSON. */
  async requestJson(destination: ServerName, call: FederationCall): Promise<Json> {
    return this.#attempt(destination, call, (request) => fetchJson(this.#deps, destination, request))
  }

  /** As `request`, and hands over the body of a 200 as it comes. */
  async stream(
    destination: ServerName,
    call: FederationCall,
  ): Promise<NetHead & { readonly body: AsyncIterable<Uint8Array> }> {
    return this.#attempt(destination, call, (request) => fetchStream(this.#deps, destination, request))
  }

  async #attempt<T>(
    destination: ServerName,
    call: FederationCall,
    send: (request: TransportRequest) => Promise<T>,
  ): Promise<T> {
    const { serverName, enabled, destinations } = this.#deps
    if (!enabled) throw new FederationError('unreachable', destination, 'federation is switched off')
    if (destination === serverName) throw new FederationError('unreachable', destination, 'is this server')
    const refusal = destinations.checkUsable(destination, call.patience ?? 'user')
    if (refusal !== undefined) throw new FederationError('unreachable', destination, refusal)
    try {
      const answer = await send(this.#sign(destination, call))
      destinations.succeeded(destination)
      return answer
    } catch (error) {
      if (error instanceof FederationError && call.isCounted !== false && !call.signal?.aborted)
        this.#note(destination, error)
      throw error
    }
  }

  #note(destination: ServerName, { kind, remote }: FederationError): void {
    const { destinations } = this.#deps
    if (kind === 'unreachable' || kind === 'timeout') destinations.failed(destination)
    else if (remote !== undefined && remote.status < 500) destinations.succeeded(destination)
  }

  #sign(destination: ServerName, call: FederationCall): TransportRequest {
    const { serverName, signingKey } = this.#deps
    const { method, deadlineMs, maxBytes, signal } = call
    const uri = call.path + queryString(call.query)
    const body = call.bodyText ?? (call.body === undefined ? undefined : canonicalJson(call.body))
    // Canonical JSON of the object to sign, made around the body's own, which may be large.
    const rest = canonicalJson({ destination, method, origin: serverName, uri })
    const text = body === undefined ? rest : `{"content":${body},${rest.slice(1)}`
    const signature = signText(text, signingKey)
    const authorization = formatXMatrix({ origin: serverName, destination, key: signingKey.keyId, signature })
    return {
      method,
      target: uri,
      headers: { authorization },
      ...(body === undefined ? {} : { body }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(maxBytes === undefined ? {} : { maxBytes }),
      ...(signal === undefined ? {} : { signal }),
    }
  }

  /** `GET /make_join`: the template of a join; `room_version` is '1' where the answer has none. */
  async makeJoin(
    destination: ServerName,
    roomId: RoomId,
    userId: UserId,
    versions: readonly string[],
  ): Promise<read.Template> {
    const path = `${v1}/make_join/${part(roomId)}/${part(userId)}`
    return read.template(
      destination,
      await this.request(destination, { method: 'GET', path, query: { ver: versions } }),
    )
  }

  /** `PUT /send_join` (v2; v1 of a server that does not know v2). */
  async sendJoin(
    destination: ServerName,
    roomId: RoomId,
    eventId: EventId,
    event: JsonObject,
    options: { readonly omitMembers?: boolean } = {},
  ): Promise<read.JoinAnswer> {
    const rest = `/send_join/${part(roomId)}/${part(eventId)}`
    const call = { method: 'PUT', body: event, maxBytes: stateBytes } as const
    try {
      const query = { omit_members: options.omitMembers === true ? true : undefined }
      return read.joinAnswer(destination, await this.request(destination, { ...call, path: v2 + rest, query }))
    } catch (error) {
      if (!isUnknownEndpoint(error)) throw error
      return read.joinAnswer(
        destination,
        read.second(destination, await this.requestJson(destination, { ...call, path: v1 + rest })),
      )
    }
  }

  /** `GET /make_leave`: the template of a leave (also of rejecting an invite). */
  async makeLeave(destination: ServerName, roomId: RoomId, userId: UserId): Promise<read.Template> {
    const path = `${v1}/make_leave/${part(roomId)}/${part(userId)}`
    return read.template(destination, await this.request(destination, { method: 'GET', path }))
  }

  /** `PUT /send_leave` (v2; v1 of a server that does not know v2). */
  async sendLeave(destination: ServerName, roomId: RoomId, eventId: EventId, event: JsonObject): Promise<void> {
    const rest = `/send_leave/${part(roomId)}/${part(eventId)}`
    try {
      await this.request(destination, { method: 'PUT', path: v2 + rest, body: event })
    } catch (error) {
      if (!isUnknownEndpoint(error)) throw error
      await this.requestJson(destination, { method: 'PUT', path: v1 + rest, body: event })
    }
  }

  /** `GET /make_knock`: the template of a knock. */
  async makeKnock(
    destination: ServerName,
    roomId: RoomId,
    userId: UserId,
    versions: readonly string[],
  ): Promise<read.Template> {
    const path = `${v1}/make_knock/${part(roomId)}/${part(userId)}`
    return read.template(
      destination,
      await this.request(destination, { method: 'GET', path, query: { ver: versions } }),
    )
  }

  /** `PUT /send_knock`: returns `knock_room_state`, unjudged. */
  async sendKnock(
    destination: ServerName,
    roomId: RoomId,
    eventId: EventId,
    event: JsonObject,
  ): Promise<readonly Json[]> {
    const path = `${v1}/send_knock/${part(roomId)}/${part(eventId)}`
    const answer = await this.request(destination, { method: 'PUT', path, body: event })
    return Array.isArray(answer.knock_room_state) ? (answer.knock_room_state as readonly Json[]) : []
  }

  /**
   * `PUT /invite` (v2; v1 where room version 1 or 2 is refused with 400 or 404): returns the event that came back,
   * signed by the invited server too if it is honest.
   */
  async invite(
    destination: ServerName,
    roomId: RoomId,
    eventId: EventId,
    body: { readonly roomVersion: string; readonly event: JsonObject; readonly inviteRoomState: readonly JsonObject[] },
  ): Promise<JsonObject> {
    const rest = `/invite/${part(roomId)}/${part(eventId)}`
    const { roomVersion, event, inviteRoomState } = body
    const full = { room_version: roomVersion, event, invite_room_state: inviteRoomState }
    try {
      return read.objectAt(
        destination,
        await this.request(destination, { method: 'PUT', path: v2 + rest, body: full }),
        'event',
      )
    } catch (error) {
      const isOld = roomVersion === '1' || roomVersion === '2'
      const status = error instanceof FederationError ? error.remote?.status : undefined
      if (!isOld || (status !== 400 && status !== 404)) throw error
      const old = { ...event, unsigned: { invite_room_state: inviteRoomState } }
      const answer = await this.requestJson(destination, { method: 'PUT', path: v1 + rest, body: old })
      return read.objectAt(destination, read.second(destination, answer), 'event')
    }
  }

  /** `GET /backfill`: PDUs, newest first if the server is kind. */
  async backfill(
    destination: ServerName,
    roomId: RoomId,
    eventIds: readonly EventId[],
    limit: number,
  ): Promise<readonly Json[]> {
    const path = `${v1}/backfill/${part(roomId)}`
    const call = { method: 'GET', path, query: { v: eventIds, limit }, maxBytes: eventsBytes } as const
    return read.listAt(destination, await this.request(destination, call), 'pdus')
  }

  /** `POST /get_missing_events`: PDUs between `earliest` and `latest`. */
  async getMissingEvents(
    destination: ServerName,
    roomId: RoomId,
    gap: {
      readonly earliest: readonly EventId[]
      readonly latest: readonly EventId[]
      readonly limit: number
      readonly minDepth?: number
    },
  ): Promise<readonly Json[]> {
    const body = {
      earliest_events: gap.earliest,
      latest_events: gap.latest,
      limit: gap.limit,
      min_depth: gap.minDepth ?? 0,
    }
    const path = `${v1}/get_missing_events/${part(roomId)}`
    const call = { method: 'POST', path, body, maxBytes: eventsBytes, patience: 'background' } as const
    return read.listAt(destination, await this.request(destination, call), 'events')
  }

  /** `GET /state`: the state before an event, and its auth chain. */
  async getState(destination: ServerName, roomId: RoomId, eventId: EventId): Promise<read.StateAnswer> {
    const call = {
      method: 'GET',
      path: `${v1}/state/${part(roomId)}`,
      query: { event_id: eventId },
      maxBytes: stateBytes,
    } as const
    return read.stateAnswer(destination, await this.request(destination, call))
  }

  /** `GET /state_ids`: as `getState`, ids only. */
  async getStateIds(destination: ServerName, roomId: RoomId, eventId: EventId): Promise<read.StateIdsAnswer> {
    const path = `${v1}/state_ids/${part(roomId)}`
    const call = { method: 'GET', path, query: { event_id: eventId }, maxBytes: 32 * MiB } as const
    return read.stateIdsAnswer(destination, await this.request(destination, call))
  }

  /** `GET /event`: one PDU. */
  async getEvent(destination: ServerName, eventId: EventId): Promise<Json> {
    const answer = await this.request(destination, { method: 'GET', path: `${v1}/event/${part(eventId)}` })
    const pdu = read.listAt(destination, answer, 'pdus')[0]
    if (pdu === undefined) throw badAnswer(destination, 'answered without an event')
    return pdu
  }

  /** `GET /event_auth`: the auth chain of an event. */
  async getEventAuth(destination: ServerName, roomId: RoomId, eventId: EventId): Promise<readonly Json[]> {
    const path = `${v1}/event_auth/${part(roomId)}/${part(eventId)}`
    return read.listAt(
      destination,
      await this.request(destination, { method: 'GET', path, maxBytes: eventsBytes }),
      'auth_chain',
    )
  }

  /** `GET /timestamp_to_event`. */
  async timestampToEvent(
    destination: ServerName,
    roomId: RoomId,
    ts: number,
    direction: 'f' | 'b',
  ): Promise<read.EventAtTime> {
    const path = `${v1}/timestamp_to_event/${part(roomId)}`
    const call = { method: 'GET', path, query: { ts, dir: direction }, deadlineMs: 20_000 } as const
    return read.eventAtTime(destination, await this.request(destination, call))
  }

  /** `GET /query/profile`: all of a profile, or one field of it. */
  async queryProfile(destination: ServerName, userId: UserId, field?: string): Promise<JsonObject> {
    const call = {
      method: 'GET',
      path: `${v1}/query/profile`,
      query: { user_id: userId, field },
      deadlineMs: 20_000,
    } as const
    return this.request(destination, { ...call, maxBytes: 128 * KiB })
  }

  /** `GET /query/directory`: the room of an alias, and servers that are in it. */
  async queryDirectory(destination: ServerName, alias: RoomAlias): Promise<read.DirectoryAnswer> {
    const call = {
      method: 'GET',
      path: `${v1}/query/directory`,
      query: { room_alias: alias },
      deadlineMs: 20_000,
    } as const
    return read.directoryAnswer(destination, await this.request(destination, call))
  }

  /** `POST /publicRooms` with the filter, or `GET` without one; the answer as it is. */
  async publicRooms(destination: ServerName, search: JsonObject): Promise<JsonObject> {
    const call = { path: `${v1}/publicRooms`, deadlineMs: 30_000, maxBytes: 4 * MiB } as const
    return this.request(destination, { ...call, method: 'POST', body: search })
  }

  /** `GET /hierarchy`: a space and its children, as it is. */
  async hierarchy(destination: ServerName, roomId: RoomId, suggestedOnly: boolean): Promise<JsonObject> {
    const path = `${v1}/hierarchy/${part(roomId)}`
    const call = { method: 'GET', path, query: { suggested_only: suggestedOnly }, maxBytes: 4 * MiB } as const
    return this.request(destination, { ...call, deadlineMs: 30_000 })
  }

  /** `GET /user/devices`. */
  async userDevices(destination: ServerName, userId: UserId): Promise<JsonObject> {
    const path = `${v1}/user/devices/${part(userId)}`
    return this.request(destination, { method: 'GET', path, maxBytes: 8 * MiB, deadlineMs: 30_000 })
  }

  /** `POST /user/keys/query` with `{ device_keys }`. */
  async queryKeys(destination: ServerName, deviceKeys: JsonObject, deadlineMs = 10_000): Promise<JsonObject> {
    const path = `${v1}/user/keys/query`
    return this.request(destination, {
      method: 'POST',
      path,
      body: { device_keys: deviceKeys },
      maxBytes: 16 * MiB,
      deadlineMs,
    })
  }

  /** `POST /user/keys/claim` with `{ one_time_keys }`. */
  async claimKeys(destination: ServerName, oneTimeKeys: JsonObject, deadlineMs = 10_000): Promise<JsonObject> {
    const path = `${v1}/user/keys/claim`
    return this.request(destination, {
      method: 'POST',
      path,
      body: { one_time_keys: oneTimeKeys },
      maxBytes: 4 * MiB,
      deadlineMs,
    })
  }

  /** `GET /media/download`: the answer as a stream (`multipart/mixed`). */
  async downloadMedia(
    destination: ServerName,
    mediaId: string,
    maxBytes: number,
    signal?: AbortSignal,
  ): ReturnType<FederationClient['stream']> {
    const path = `${v1}/media/download/${part(mediaId)}`
    return this.stream(destination, { method: 'GET', path, maxBytes, ...(signal === undefined ? {} : { signal }) })
  }

  /** `GET /media/thumbnail`: the answer as a stream (`multipart/mixed`). */
  async thumbnailMedia(
    destination: ServerName,
    mediaId: string,
    query: {
      readonly width: number
      readonly height: number
      readonly method: 'crop' | 'scale'
      readonly animated?: boolean
    },
    maxBytes: number,
  ): ReturnType<FederationClient['stream']> {
    return this.stream(destination, { method: 'GET', path: `${v1}/media/thumbnail/${part(mediaId)}`, query, maxBytes })
  }

  /** `PUT /exchange_third_party_invite`. */
  async exchangeThirdPartyInvite(destination: ServerName, roomId: RoomId, body: JsonObject): Promise<void> {
    await this.request(destination, { method: 'PUT', path: `${v1}/exchange_third_party_invite/${part(roomId)}`, body })
  }

  /** `POST /_matrix/policy/v1/sign`: the policy server's signatures for an event, as they are. */
  async askPolicyServer(destination: ServerName, event: JsonObject, deadlineMs = 10_000): Promise<JsonObject> {
    return this.request(destination, { method: 'POST', path: '/_matrix/policy/v1/sign', body: event, deadlineMs })
  }

  /** `PUT /send/{txnId}`: returns the verdicts by event id. `bodyText` is canonical JSON. */
  async sendTransaction(
    destination: ServerName,
    txnId: string,
    bodyText: string,
    signal?: AbortSignal,
  ): Promise<JsonObject> {
    const call = {
      method: 'PUT',
      path: `${v1}/send/${part(txnId)}`,
      bodyText,
      maxBytes: 4 * MiB,
      isCounted: false,
    } as const
    const answer = await this.request(destination, signal === undefined ? call : { ...call, signal })
    return isJsonObject(answer.pdus) ? answer.pdus : {}
  }

  /** MSC2438: asks a server to forget a user. First the unstable path, then the stable one. */
  async userErase(destination: ServerName, userId: UserId): Promise<void> {
    const body = { user_id: userId }
    const call = { method: 'POST', body, deadlineMs: 30_000 } as const
    try {
      await this.request(destination, { ...call, path: '/_matrix/federation/unstable/org.matrix.msc2438/user/erase' })
    } catch (error) {
      if (!isUnsupported(error)) throw error
      await this.request(destination, { ...call, path: `${v1}/user/erase` })
    }
  }
}

/** Whether a server answered that it has no such endpoint (404 or 405 `M_UNRECOGNIZED`, or an error without a code). */
export function isUnknownEndpoint(error: unknown): boolean {
  if (!(error instanceof FederationError) || error.remote === undefined) return false
  const { status, errcode } = error.remote
  return (status === 404 || status === 405) && (errcode === undefined || errcode === 'M_UNRECOGNIZED')
}

/** Whether a server answered 404, 405 or 501 of any form. */
export function isUnsupported(error: unknown): boolean {
  const status = error instanceof FederationError ? error.remote?.status : undefined
  return status === 404 || status === 405 || status === 501
}

function queryString(query: FederationCall['query']): string {
  const pairs: string[] = []
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue
    for (const item of Array.isArray(value) ? (value as readonly string[]) : [value])
      pairs.push(`${part(name)}=${part(String(item))}`)
  }
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}
