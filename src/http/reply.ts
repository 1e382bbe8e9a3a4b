/** What an answer may consist of: text and bytes as they are, a stream chunk by chunk, any other object as JSON. */
export type ReplyBody = null | string | Uint8Array | AsyncIterable<Uint8Array> | object

/** An answer that is more than a JSON body with status 200. */
export class Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: ReplyBody

  constructor(status: number, headers: Readonly<Record<string, string>>, body: ReplyBody) {
    this.status = status
    this.headers = headers
    this.body = body
  }
}

const jsonType = { 'content-type': 'application/json' }

/** A JSON answer with a status or headers of its own; header names are lower-case. */
export function jsonReply(
  body: object,
  options: { status?: number; headers?: Readonly<Record<string, string>> } = {},
): Reply {
  return new Reply(options.status ?? 200, { ...jsonType, ...options.headers }, body)
}

/** Bytes, or a stream of them, with the headers that say what they are (`content-type` at least). */
export function binaryReply(
  body: Uint8Array | AsyncIterable<Uint8Array>,
  headers: Readonly<Record<string, string>>,
  status = 200,
): Reply {
  return new Reply(status, headers, body)
}

/** A page. The policy allows nothing from elsewhere and no framing. */
export function htmlReply(
  html: string,
  options: { status?: number; headers?: Readonly<Record<string, string>> } = {},
): Reply {
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy':
      "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    ...options.headers,
  }
  return new Reply(options.status ?? 200, headers, html)
}

/** Sends the caller elsewhere; the caller of this function has checked the location. */
export function redirectReply(location: string, status: 302 | 303 | 307 | 308 = 302): Reply {
  return new Reply(status, { location }, null)
}
