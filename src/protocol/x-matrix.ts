import { parseServerName, type ServerName } from './ids.ts'
import type { Json, JsonObject } from './json-types.ts'
import { signJson, signatureOf, verifyJson, type SigningKey } from './sign.ts'

/** What an `Authorization: X-Matrix` header says, unverified. */
export interface XMatrix {
  readonly origin: ServerName
  /** Older servers leave it out. Where it is there it must be the receiving server's name. */
  readonly destination: ServerName | undefined
  readonly key: string
  readonly signature: string
}

/** What is signed of a request between servers. `uri` is the path and query as sent, from `/_matrix` on. */
export interface FederationRequest {
  readonly method: string
  readonly uri: string
  readonly origin: ServerName
  readonly destination: ServerName
  /** The parsed body, undefined where the request has none. */
  readonly content: Json | undefined
}

const scheme = /^x-matrix +/i
const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
/** A token, and as older servers send it unquoted: colons, and what else base64 and IPv6 literals need. */
const looseValue = /[!#$%&'*+.^_`|~0-9A-Za-z:/=[\]-]+/y
const quotedText = /[^"\\]*/y

/**
 * Parses an `Authorization` header (server-server API, "Request Authentication"; RFC 9110, section 11.4). Undefined
 * where it is of another scheme, malformed, names a parameter twice, or lacks `origin`, `key` or `sig`.
 */
export function parseXMatrix(header: string): XMatrix | undefined {
  const start = scheme.exec(header)
  if (start === null) return undefined
  const params = parseParams(header, start[0].length)
  if (params === undefined) return undefined
  const origin = parseServerName(params.get('origin'))
  const named = params.get('destination')
  const destination = parseServerName(named)
  const key = params.get('key')
  const signature = params.get('sig')
  if (origin === undefined || !key || !signature) return undefined
  if (named !== undefined && destination === undefined) return undefined
  return { origin, destination, key, signature }
}

/** Writes the header as old servers, too, understand it: one space, lower case, no white space, no backslashes. */
export function formatXMatrix(header: XMatrix): string {
  const { origin, destination, key, signature } = header
  const to = destination === undefined ? '' : `destination="${destination}",`
  return `X-Matrix origin="${origin}",${to}key="${key}",sig="${signature}"`
}

/** The object that is signed for a request, without signatures. */
export function requestToSign(request: FederationRequest): JsonObject {
  const { method, uri, origin, destination, content } = request
  const signed = { method, uri, origin, destination }
  return content === undefined ? signed : { ...signed, content }
}

/** The `Authorization` header for a request of ours. */
export function signRequest(request: FederationRequest, key: SigningKey): string {
  const { origin, destination } = request
  const signature = signatureOf(signJson(requestToSign(request), origin, key), origin, key.keyId) ?? ''
  return formatXMatrix({ origin, destination, key: key.keyId, signature })
}

/** Whether the header's signature is right for the request, by this public key (base64) of the origin's. */
export function verifyRequest(request: FederationRequest, header: XMatrix, publicKey: string): boolean {
  if (header.origin !== request.origin) return false
  if (header.destination !== undefined && header.destination !== request.destination) return false
  const signatures = { [header.origin]: { [header.key]: header.signature } }
  return verifyJson({ ...requestToSign(request), signatures }, header.origin, header.key, publicKey)
}

/** Parameters by their name in lower case. Empty list elements are allowed (RFC 9110, section 5.6.1). */
function parseParams(text: string, start: number): Map<string, string> | undefined {
  const params = new Map<string, string>()
  let at = start
  while (at < text.length) {
    at = skipBlank(text, at)
    if (text[at] === ',') {
      at++
      continue
    }
    const name = match(token, text, at)
    if (name === undefined) return at === text.length ? params : undefined
    at = skipBlank(text, at + name.length)
    if (text[at] !== '=') return undefined
    at = skipBlank(text, at + 1)
    const read = text[at] === '"' ? readQuoted(text, at + 1) : readLoose(text, at)
    if (read === undefined || params.has(name.toLowerCase())) return undefined
    params.set(name.toLowerCase(), read.value)
    at = skipBlank(text, read.end)
    if (at < text.length && text[at] !== ',') return undefined
  }
  return params
}

function readLoose(text: string, at: number): { value: string; end: number } | undefined {
  const value = match(looseValue, text, at)
  return value === undefined ? undefined : { value, end: at + value.length }
}

function readQuoted(text: string, start: number): { value: string; end: number } | undefined {
  let value = ''
  let at = start
  for (;;) {
    const part = match(quotedText, text, at) ?? ''
    value += part
    at += part.length
    if (text[at] === '"') return { value, end: at + 1 }
    const escaped = text[at + 1]
    if (escaped === undefined) return undefined
    value += escaped
    at += 2
  }
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}

function skipBlank(text: string, start: number): number {
  let at = start
  while (text[at] === ' ' || text[at] === '\t') at++
  return at
}
