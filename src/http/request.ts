import { MatrixError } from '../protocol/errors.ts'
import type { AddressSet } from '../util/address.ts'
import { EitherEnding } from '../util/ending.ts'
import type { Ending } from '../util/ending.ts'
import { readBytes, streamBody } from './body.ts'
import type { Call } from './call.ts'

interface Needs {
  readonly trustedProxies: AddressSet
  readonly stopping: Ending
}

/** One request, as handlers see it. */
export class HttpRequest {
  readonly id: string
  /** the method of the request line */
  readonly method: string
  /** path and query exactly as sent: what a signature covers */
  readonly target: string
  readonly #call: Call
  readonly #needs: Needs
  #search: URLSearchParams | undefined
  #signal: Ending | undefined

  constructor(id: string, call: Call, needs: Needs) {
    this.id = id
    this.method = call.method
    this.target = call.target
    this.#call = call
    this.#needs = needs
  }

  /** A header by its lower-case name. */
  header(name: string): string | undefined {
    return this.#call.header(name)
  }

  /** Every header of this lower-case name, each as it was sent. */
  headerValues(name: string): readonly string[] {
    return this.#call.headerValues(name)
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
    if (!trustedProxies.has(this.#call.address)) return this.#call.address
    const hops = (this.header('x-forwarded-for') ?? '').split(',').map((hop) => hop.trim())
    return hops.findLast((hop) => hop !== '' && !trustedProxies.has(hop)) ?? this.#call.address
  }

  get userAgent(): string | undefined {
    return this.header('user-agent')
  }

  /** Aborted when the caller is gone or the server stops. */
  get signal(): Ending {
    this.#signal ??= new EitherEnding(this.#call.gone(), this.#needs.stopping)
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
    return readBytes(this.#call.body, maxBytes)
  }

  /** The body as it comes. Throws `M_TOO_LARGE` at once, or as soon as more than `maxBytes` came. */
  stream(maxBytes: number): AsyncIterable<Uint8Array> {
    this.#assertFits(maxBytes)
    return streamBody(this.#call.body, maxBytes)
  }

  #assertFits(maxBytes: number): void {
    if ((this.declaredBytes ?? 0) > maxBytes) throw new MatrixError('M_TOO_LARGE', 'the body is too large')
  }
}
