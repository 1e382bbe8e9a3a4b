import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Ending } from '../util/ending.ts'
import type { BodySource } from './body.ts'

/** A request as it came in, from a socket or from a caller without one. */
export interface Call {
  /** the method of the request line */
  readonly method: string
  /** path and query exactly as sent, without scheme and host */
  readonly target: string
  /** the address of whoever is connected */
  readonly address: string
  readonly body: BodySource
  /** A header by its lower-case name. */
  header(name: string): string | undefined
  /** Every header of this lower-case name, each as it was sent. */
  headerValues(name: string): readonly string[]
  /** Aborted when the caller is gone before the answer is. */
  gone(): Ending
}

/** The path and query of a request line, also where that carries scheme and host. */
export function rawTarget(target: string): string {
  if (target.startsWith('/')) return target
  const host = target.indexOf('://')
  const path = host < 0 ? -1 : target.indexOf('/', host + 3)
  return path < 0 ? '/' : target.slice(path)
}

/** A request that came by a socket. */
export function callOfSocket(incoming: IncomingMessage, outgoing: ServerResponse): Call {
  return {
    method: incoming.method ?? 'GET',
    target: rawTarget(incoming.url ?? '/'),
    address: incoming.socket.remoteAddress ?? '127.0.0.1',
    body: incoming,
    header(name) {
      const value = incoming.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    headerValues: (name) => incoming.headersDistinct[name] ?? [],
    gone: () => new CallerGone(incoming, outgoing),
  }
}

class CallerGone implements Ending {
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse

  constructor(incoming: IncomingMessage, outgoing: ServerResponse) {
    this.#incoming = incoming
    this.#outgoing = outgoing
  }

  get reason(): Error {
    return new Error('the caller is gone')
  }

  get aborted(): boolean {
    return !this.#outgoing.writableFinished && (this.#outgoing.destroyed || this.#incoming.socket.destroyed)
  }

  // also after the answer: whoever is told asks `aborted`
  addEventListener(_type: 'abort', listener: () => void): void {
    this.#outgoing.on('close', listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#outgoing.off('close', listener)
  }
}

/** A request without a socket, from `address`. */
export function callOfRequest(request: Request, address = '127.0.0.1'): Call {
  return {
    method: request.method,
    target: rawTarget(request.url),
    address,
    body: request.body,
    header: (name) => request.headers.get(name) ?? undefined,
    headerValues(name) {
      const value = request.headers.get(name)
      return value === null ? [] : [value]
    },
    gone: () => request.signal,
  }
}
