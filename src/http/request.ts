import type { IncomingMessage } from 'node:http'
import { MatrixError } from '../protocol/errors.ts'
import type { AddressSet } from '../util/address.ts'
import { readBytes, streamBody } from './body.ts'

/** What the server that took the request knows of it; empty where a test calls the app directly. */
export interface Arrival {
  readonly incoming?: IncomingMessage
  /** the caller's address, where there is no socket to ask */
  readonly address?: string
}

/** The path and query as they were sent, without scheme and host. */
export function rawTarget(request: Request, arrival: Arrival): string {
  const target = arrival.incoming?.url ?? request.url
  if (target.startsWith('/')) return target
  const host = target.indexOf('://')
  const path = host < 0 ? -1 : target.indexOf('/', host + 3)
  return path < 0 ? '/' : target.slice(path)
}

interface Needs {
  readonly trustedProxies: AddressSet
  readonly stopping: AbortSignal
}

/** One request, as handlers see it. */
export class HttpRequest {
  readonly id: string
  /** the method of the request line */
  readonly method: string
  /** path and query exactly as sent: what a signature covers */
  readonly target: string
  readonly #request: Request
  readonly #incoming: IncomingMessage | undefined
  readonly #address: string
  readonly #needs: Needs
  #search: URLSearchParams | undefined
  #signal: AbortSignal | undefined

  constructor(id: string, target: string, request: Request, arrival: Arrival, needs: Needs) {
    this.id = id
    this.method = request.method
    this.target = target
    this.#request = request
    this.#incoming = arrival.incoming
    this.#address = arrival.address ?? arrival.incoming?.socket.remoteAddress ?? '127.0.0.1'
    this.#needs = needs
  }

  /** A header by its lower-case name. */
  header(name: string): string | undefined {
    if (!this.#incoming) return this.#request.headers.get(name) ?? undefined
    const value = this.#incoming.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  /** Every header of this lower-case name, each as it was sent. */
  headerValues(name: string): readonly string[] {
    if (this.#incoming) return this.#incoming.headersDistinct[name] ?? []
    const value = this.#request.headers.get(name)
    return value === null ? [] : [value]
  }

  /** The query, decoded. */
  get search(): URLSearchParams {
    if (this.#search) return this.#search
    const mark = this.target.indexOf('?')
    this.#search = new URLSearchParams(mark < 0 ? '' : this.target.slice(mark + 1))
    return this.#search
  }

  /** The caller's address, unmasked: mask it before it is stored (P23), never log it. */
  get address(): string {
    const { trustedProxies } = this.#needs
    if (!trustedProxies.has(this.#address)) return this.#address
    const hops = (this.header('x-forwarded-for') ?? '').split(',').map((hop) => hop.trim())
    return hops.findLast((hop) => hop !== '' && !trustedProxies.has(hop)) ?? this.#address
  }

  get userAgent(): string | undefined {
    return this.header('user-agent')
  }

  /** Aborted when the caller is gone or the server stops. */
  get signal(): AbortSignal {
    this.#signal ??= AbortSignal.any([this.#request.signal, this.#needs.stopping])
    return this.#signal
  }

  /** What `Content-Length` says, undefined where it says nothing usable. */
  get declaredBytes(): number | undefined {
    const length = this.header('content-length')
    return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
  }

  /** The whole body. Throws `M_TOO_LARGE` as soon as it is longer than `maxBytes`. */
  bytes(maxBytes: number): Promise<Uint8Array> {
    this.#assertFits(maxBytes)
    return readBytes(this.#source, maxBytes)
  }

  /** The body as it comes. Throws `M_TOO_LARGE` at once, or as soon as more than `maxBytes` came. */
  stream(maxBytes: number): AsyncIterable<Uint8Array> {
    this.#assertFits(maxBytes)
    return streamBody(this.#source, maxBytes)
  }

  get #source(): IncomingMessage | ReadableStream<Uint8Array> | null {
    return this.#incoming ?? this.#request.body
  }

  #assertFits(maxBytes: number): void {
    if ((this.declaredBytes ?? 0) > maxBytes) throw new MatrixError('M_TOO_LARGE', 'the body is too large')
  }
}
