import { MatrixError } from '../protocol/errors.ts'
import type { ServerName } from '../protocol/ids.ts'
import { isJsonObject, parseJson } from '../protocol/json.ts'
import type { Json } from '../protocol/json-types.ts'
import type { Net, NetFailure, NetHead, NetRequest } from '../util/ports.ts'
import { NetError } from '../util/ports.ts'
import type { Discovery, Route } from './discovery.ts'
import { FederationError, type FederationFailure, type RemoteRefusal } from './errors.ts'

/** One request to a server, whatever its authentication. */
export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** path and query as they are sent, from `/_matrix` on */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** for the whole call; 60 s unless given */
  readonly deadlineMs?: number
  /** of the answer, after decompression; 1 MiB unless given */
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

/** What a call needs to reach other servers. */
export interface TransportDeps {
  readonly net: Net
  readonly discovery: Pick<Discovery, 'routes' | 'forget'>
  /** more authorities to trust, PEM */
  readonly extraCa: readonly string[]
}

export const wholeCallMs = 60_000
export const firstByteMs = 30_000
const defaultMaxBytes = 1024 * 1024

/** Failures after which the next address of the same server may be tried: nothing was sent yet. */
const beforeSending: ReadonlySet<NetFailure> = new Set<NetFailure>(['connect', 'resolve', 'tls', 'refused-address'])

/**
 * Sends a request to a server: finds its addresses and tries them in turn. Returns the answer's JSON of status 200.
 * Throws FederationError.
 */
export async function fetchJson(
  deps: TransportDeps,
  destination: ServerName,
  request: TransportRequest,
): Promise<Json> {
  const answer = await tryRoutes(deps, destination, request, (made) => deps.net.request(made))
  if (answer.status !== 200) throw refusalOf(destination, answer, answer.body)
  try {
    return parseJson(answer.body, { mode: 'spelled' })
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    throw new FederationError('bad_answer', destination, 'answered 200 with something that is not JSON')
  }
}

/** As `fetchJson`, and hands over the body of a 200 as it comes. */
export async function fetchStream(
  deps: TransportDeps,
  destination: ServerName,
  request: TransportRequest,
): Promise<NetHead & { readonly body: AsyncIterable<Uint8Array> }> {
  const answer = await tryRoutes(deps, destination, request, (made) => deps.net.stream(made))
  if (answer.status === 200) return answer
  throw refusalOf(destination, answer, await firstBytes(answer.body))
}

async function tryRoutes<T>(
  deps: TransportDeps,
  destination: ServerName,
  request: TransportRequest,
  send: (made: NetRequest) => Promise<T>,
): Promise<T> {
  const routes = await unlessAborted(destination, deps.discovery.routes(destination), request.signal)
  let last: unknown
  for (const route of routes) {
    try {
      return await send(netRequest(deps, route, request))
    } catch (error) {
      if (!(error instanceof NetError)) throw error
      last = error
      if (!beforeSending.has(error.failure)) break
    }
  }
  if (last === undefined) throw new FederationError('unreachable', destination, 'has no address')
  deps.discovery.forget(destination)
  throw fromNetError(destination, last as NetError)
}

/** The work, or an error as soon as the caller gives up: others may wait for the same discovery, so it goes on. */
function unlessAborted<T>(destination: ServerName, work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const abort = () => reject(new FederationError('unreachable', destination, 'given up'))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function netRequest(deps: TransportDeps, route: Route, request: TransportRequest): NetRequest {
  const { method, target, headers, body, signal } = request
  const deadlineMs = request.deadlineMs ?? wholeCallMs
  return {
    url: `https://${route.host}${target}`,
    method,
    headers: { ...headers, host: route.host, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body }),
    deadlineMs,
    firstByteMs: Math.min(firstByteMs, deadlineMs),
    maxBytes: request.maxBytes ?? defaultMaxBytes,
    dial: route.dial,
    tls: { servername: route.certificateName, ca: deps.extraCa },
    guard: route.guard,
    ...(signal === undefined ? {} : { signal }),
  }
}

/** A NetError in the terms of federation. */
export function fromNetError(destination: ServerName, error: NetError): FederationError {
  const kinds: Partial<Record<NetFailure, FederationFailure>> = {
    timeout: 'timeout',
    'too-large': 'bad_answer',
    protocol: 'bad_answer',
  }
  const kind = kinds[error.failure] ?? 'unreachable'
  return new FederationError(kind, destination, `no answer (${error.failure})`, undefined, error)
}

function refusalOf(destination: ServerName, { status, headers }: NetHead, bytes: Uint8Array): FederationError {
  const body = parseQuietly(bytes)
  const errcode = typeof body?.errcode === 'string' ? body.errcode.slice(0, 64) : undefined
  const retryAfterMs =
    typeof body?.retry_after_ms === 'number' ? body.retry_after_ms : secondsOf(headers['retry-after'])
  const remote: RemoteRefusal = { status, errcode, body, retryAfterMs }
  return new FederationError('refused', destination, `answered ${status}`, remote)
}

function parseQuietly(bytes: Uint8Array): Readonly<Record<string, Json>> | undefined {
  try {
    const value = parseJson(bytes, { mode: 'lenient' })
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function secondsOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,9}$/.test(header) ? Number(header) * 1000 : undefined
}

async function firstBytes(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk)
      size += chunk.length
      if (size > 65_536) break
    }
  } catch {
    // the status says enough
  }
  return Buffer.concat(chunks)
}
