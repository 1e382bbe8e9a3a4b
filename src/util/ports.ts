import type { Ending } from './ending.ts'

/** Time, as the rest of the server sees it. */
export interface Clock {
  /** wall clock, ms since 1970; it may jump, so nothing is ordered by it */
  now(): number
  /** ms since some moment in the past; never goes back */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason when that comes first. */
  sleep(ms: number, signal?: Ending): Promise<void>
  /** Calls `fn` once after `ms`, never keeping the process alive; the function returned cancels it. */
  setTimer(ms: number, fn: () => void): () => void
}

/** Randomness fit for secrets. */
export interface Random {
  bytes(length: number): Uint8Array
  /** `length` random bytes as unpadded base64url */
  token(length: number): string
  /** a whole number from 0 up to, and without, `max` */
  integer(max: number): number
}

/** Which addresses a request may be sent to: only public ones, or also internal ones that the operator wrote down. */
export type AddressGuard = 'public' | 'configured'

/** One outbound HTTP request. */
export interface NetRequest {
  readonly url: string
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** for the whole call */
  readonly deadlineMs: number
  /** until the head of the answer */
  readonly firstByteMs?: number
  /** of the answer, measured after decompression */
  readonly maxBytes: number
  /** dials this address instead of the one in the URL */
  readonly dial?: { readonly host: string; readonly port: number }
  /** name to ask for and to verify in the certificate, and more authorities to trust (PEM) */
  readonly tls?: { readonly servername?: string; readonly ca?: readonly string[] }
  readonly guard: AddressGuard
  /** how many redirects are followed; none unless given */
  readonly redirects?: number
  readonly signal?: AbortSignal
}

/** The head of an answer; header names are lower-case, repeated ones joined by `, `. */
export interface NetHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** the URL that answered, after redirects */
  readonly url: string
}

/** Why an outbound request has no answer. */
export type NetFailure =
  | 'refused-address'
  | 'resolve'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'too-large'
  | 'aborted'
  | 'protocol'

/** A request without an answer. Any answer, of whatever status, is none of these. */
export class NetError extends Error {
  override name = 'NetError'
  readonly failure: NetFailure
  constructor(failure: NetFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.failure = failure
  }
}

/** All outbound HTTP. Both functions throw NetError. */
export interface Net {
  /** Collects the whole body, at most `maxBytes`. */
  request(request: NetRequest): Promise<NetHead & { readonly body: Uint8Array }>
  /** Hands over the body as it comes, at most `maxBytes` of it; leaving the iteration closes the connection. */
  stream(request: NetRequest): Promise<NetHead & { readonly body: AsyncIterable<Uint8Array> }>
  close(): Promise<void>
}
