/** What leaves: status, headers (lower-case names) and the body as text, bytes, a stream of bytes, or nothing. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: null | string | Uint8Array | AsyncIterable<Uint8Array>
}

/** An answer in the web's form, for whoever calls the app without a socket. */
export function toResponse({ status, headers, body }: Answer): Response {
  const isStream = body !== null && typeof body !== 'string' && !(body instanceof Uint8Array)
  const init = isStream ? ReadableStream.from(body) : (body as null | string | Uint8Array<ArrayBuffer>)
  return new Response(init, { status, headers })
}
