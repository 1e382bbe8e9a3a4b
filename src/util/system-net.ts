import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'
import type { Dispatcher, Pool } from 'undici'
import { acceptedEncodings, readBody } from './net-body.ts'
import { makeConnector, type Dial, type DialDeps } from './net-connector.ts'
import { NetError, type Net, type NetFailure, type NetHead, type NetRequest } from './ports.ts'
import { lru } from './lru.ts'

export interface SystemNetOptions extends DialDeps {
  /** more authorities for every request, PEM */
  readonly extraCa: readonly string[]
  /** for the `user-agent` header */
  readonly userAgent: string
}

const maxPools = 2_000
const defaultFirstByteMs = 30_000
const redirectStatus = new Set([301, 302, 303, 307, 308])

interface Call {
  readonly request: NetRequest
  readonly url: string
  readonly signal: AbortSignal
  readonly isCompressed: boolean
}

/** Outbound HTTP over sockets: every dialled address is checked, redirects too; time and size are bounded. */
export class SystemNet implements Net {
  readonly #options: SystemNetOptions
  /** by the authorities added: reading the platform's list takes long */
  readonly #contexts = lru<string, SecureContext>(100)
  readonly #pools = lru<string, Pool>(maxPools, (pool) => void pool.close().catch(() => {}))

  constructor(options: SystemNetOptions) {
    this.#options = options
  }

  async request(request: NetRequest): Promise<NetHead & { readonly body: Uint8Array }> {
    const { body, ...head } = await this.#start(request, true)
    const chunks: Uint8Array[] = []
    for await (const chunk of body) chunks.push(chunk)
    return { ...head, body: chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks) }
  }

  async stream(request: NetRequest): Promise<NetHead & { readonly body: AsyncIterable<Uint8Array> }> {
    return this.#start(request, false)
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()]
    await Promise.all(pools.map((pool) => pool.destroy()))
  }

  async #start(
    request: NetRequest,
    isCompressed: boolean,
  ): Promise<NetHead & { readonly body: AsyncIterable<Uint8Array> }> {
    const { clock } = this.#options
    const control = new AbortController()
    const expire = (what: string) => control.abort(new NetError('timeout', what))
    const stopWhole = clock.setTimer(request.deadlineMs, () => expire('the whole call took too long'))
    const firstByteMs = request.firstByteMs ?? defaultFirstByteMs
    const stopFirst = clock.setTimer(firstByteMs, () => expire('the first byte took too long'))
    const abort = () => control.abort(new NetError('aborted', 'given up'))
    request.signal?.addEventListener('abort', abort, { once: true })
    const stop = () => {
      stopWhole()
      request.signal?.removeEventListener('abort', abort)
    }
    if (request.signal?.aborted) abort()
    try {
      const { head, raw } = await this.#follow({ request, url: request.url, signal: control.signal, isCompressed })
      return { ...head, body: this.#body(raw, head, request, control.signal, stop) }
    } catch (error) {
      stop()
      throw asNetError(error, control.signal)
    } finally {
      stopFirst()
    }
  }

  async *#body(
    raw: Dispatcher.ResponseData['body'],
    head: NetHead,
    request: NetRequest,
    signal: AbortSignal,
    stop: () => void,
  ) {
    try {
      yield* readBody(raw, head.headers['content-encoding'], request.maxBytes)
    } catch (error) {
      throw asNetError(error, signal)
    } finally {
      stop()
    }
  }

  async #follow(first: Call): Promise<{ head: NetHead; raw: Dispatcher.ResponseData['body'] }> {
    let call = first
    for (let left = first.request.redirects ?? 0; ; left--) {
      const answer = await this.#send(call)
      // Giving a body up makes it emit an error that nobody has to hear of; who reads it still gets it thrown.
      answer.body.on('error', () => {})
      const { location } = answer.headers
      const head: NetHead = { status: answer.statusCode, headers: plainHeaders(answer.headers), url: call.url }
      if (
        !redirectStatus.has(answer.statusCode) ||
        typeof location !== 'string' ||
        first.request.redirects === undefined
      ) {
        return { head, raw: answer.body }
      }
      answer.body.destroy()
      if (left <= 0) throw new NetError('protocol', 'too many redirects')
      call = redirected(call, location, answer.statusCode)
    }
  }

  async #send({ request, url, signal, isCompressed }: Call): Promise<Dispatcher.ResponseData> {
    const { origin, protocol, hostname, port } = parseUrl(url)
    if (protocol !== 'https:' && protocol !== 'http:') throw new NetError('protocol', 'not a URL of the web')
    const isTls = protocol === 'https:'
    const target = request.dial ?? { host: hostname, port: port === '' ? (isTls ? 443 : 80) : Number(port) }
    const certificateName = request.tls?.servername ?? hostname
    const authorities = [...this.#options.extraCa, ...(request.tls?.ca ?? [])]
    // The driver is loaded only where another server is asked: it costs every start time and memory.
    const { Pool: PoolClass } = await import('undici')
    const pool = this.#pool(PoolClass, origin, { ...target, isTls, certificateName, guard: request.guard }, authorities)
    return pool.request({
      method: request.method,
      // as it was given: a URL object would resolve dots, and what is signed would not be what is sent
      path: rawTarget(url),
      headers: {
        'user-agent': this.#options.userAgent,
        ...(isCompressed ? { 'accept-encoding': acceptedEncodings } : {}),
        ...request.headers,
      },
      body: request.body ?? null,
      signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  #pool(
    PoolClass: typeof Pool,
    origin: string,
    dial: Omit<Dial, 'secureContext'>,
    authorities: readonly string[],
  ): Pool {
    const trusted = authorities.join('\n')
    const key = [origin, dial.host, dial.port, dial.certificateName, dial.guard, trusted].join(' ')
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    const secureContext = dial.isTls && trusted !== '' ? this.#context(trusted, authorities) : undefined
    const connect = makeConnector(this.#options, { ...dial, secureContext })
    const pool = new PoolClass(origin, {
      connect,
      connections: 16,
      keepAliveTimeout: 30_000,
      keepAliveMaxTimeout: 300_000,
    })
    this.#pools.set(key, pool)
    return pool
  }

  #context(key: string, authorities: readonly string[]): SecureContext {
    const known = this.#contexts.get(key)
    if (known !== undefined) return known
    const context = createSecureContext({ ca: [...rootCertificates, ...authorities] })
    this.#contexts.set(key, context)
    return context
  }
}

function parseUrl(url: string): URL {
  try {
    return new URL(url)
  } catch {
    throw new NetError('protocol', 'not a URL')
  }
}

/** Path and query of a URL, untouched. */
function rawTarget(url: string): string {
  const start = url.search(/[/?#]/) < 0 ? -1 : url.indexOf('/', url.indexOf('://') + 3)
  const target = start < 0 ? '/' : url.slice(start)
  const hash = target.indexOf('#')
  return hash < 0 ? target : target.slice(0, hash)
}

/** The request that a redirect asks for: elsewhere it carries no credentials, no other `Host`, and dials what its own URL says. */
function redirected({ request, url, signal, isCompressed }: Call, location: string, status: number): Call {
  const from = parseUrl(url)
  let to: URL
  try {
    to = new URL(location, from)
  } catch {
    throw new NetError('protocol', 'redirected to something that is no URL')
  }
  if (from.protocol === 'https:' && to.protocol !== 'https:')
    throw new NetError('protocol', 'redirected away from https')
  const { body, dial, tls, headers = {}, ...rest } = request
  const { host: _host, authorization: _authorization, cookie: _cookie, ...kept } = headers
  const isSame = to.origin === from.origin
  const keepsBody = status === 307 || status === 308
  const next: NetRequest = {
    ...rest,
    method: keepsBody || request.method === 'HEAD' ? request.method : 'GET',
    headers: isSame ? headers : kept,
    ...(keepsBody && body !== undefined ? { body } : {}),
    ...(isSame && dial !== undefined ? { dial } : {}),
    ...(tls === undefined ? {} : { tls: isSame || tls.ca === undefined ? (isSame ? tls : {}) : { ca: tls.ca } }),
    // only the address that the operator wrote down is configured, not where it points
    guard: isSame ? request.guard : 'public',
  }
  return { request: next, url: to.href, signal, isCompressed }
}

function plainHeaders(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const plain: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) plain[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value
  }
  return plain
}

function asNetError(error: unknown, signal: AbortSignal): NetError {
  if (signal.aborted && signal.reason instanceof NetError) return signal.reason
  if (error instanceof NetError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return new NetError(failures[code] ?? 'protocol', `the exchange failed (${code || 'unknown'})`, { cause: error })
}

const failures: Readonly<Record<string, NetFailure>> = {
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_SOCKET: 'connect',
  ECONNRESET: 'connect',
  EPIPE: 'connect',
  ECONNREFUSED: 'connect',
}
