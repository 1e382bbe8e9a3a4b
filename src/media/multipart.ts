/** The two parts of a federation media answer. */
export interface MediaParts {
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Uint8Array>
}

/** Why an answer of a media server cannot be used. */
export class MultipartError extends Error {
  override name = 'MultipartError'
}

const maxHead = 16 * 1024

/**
 * Reads `multipart/mixed` of exactly two parts (server-server API, "Content repository"): metadata, which is thrown away,
 * and the file, handed over as it comes. Throws MultipartError.
 */
export async function readMediaParts(contentType: string | undefined, chunks: AsyncIterable<Uint8Array>): Promise<MediaParts> {
  const boundary = /^multipart\/mixed\s*;(?:.*;)?\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;]{1,70}))/i.exec(contentType ?? '')
  if (boundary === null) throw new MultipartError('not multipart/mixed with a boundary')
  const reader = new Reader(chunks)
  const mark = `--${boundary[1] ?? boundary[2]}`
  const first = await reader.until(Buffer.from(`${mark}\r\n`), maxHead)
  if (first === undefined) throw new MultipartError('no first part')
  const metadata = await reader.until(Buffer.from(`\r\n${mark}\r\n`), maxHead)
  if (metadata === undefined) throw new MultipartError('no second part')
  const rest = reader.peek(2)
  const head = (await rest) === '\r\n' ? await reader.until(Buffer.from('\r\n'), maxHead) : await reader.until(Buffer.from('\r\n\r\n'), maxHead)
  if (head === undefined) throw new MultipartError('the second part has no end of headers')
  return { headers: parseHeaders(head.toString('latin1')), body: reader.streamUntil(Buffer.from(`\r\n${mark}--`)) }
}

/** The answer's own form of the two parts: the text before the file, and after it. */
export function formatMediaParts(boundary: string, headers: Readonly<Record<string, string>>): { before: string; after: string } {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return {
    before: `--${boundary}\r\nContent-Type: application/json\r\n\r\n{}\r\n--${boundary}\r\n${lines.join('')}\r\n`,
    after: `\r\n--${boundary}--\r\n`,
  }
}

function parseHeaders(text: string): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  return headers
}

/** Looks for separators in a stream of bytes, keeping as little of it as it can. */
class Reader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #buffer: Buffer = Buffer.alloc(0)
  #ended = false

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next()
    this.#ended = next.done === true
    if (next.done === true) return false
    this.#buffer = this.#buffer.length === 0 ? Buffer.from(next.value) : Buffer.concat([this.#buffer, next.value])
    return true
  }

  async peek(length: number): Promise<string> {
    while (this.#buffer.length < length && (await this.#more()));
    return this.#buffer.toString('latin1', 0, length)
  }

  /** What comes before the separator, which is left behind; undefined where it does not come within `most` bytes. */
  async until(separator: Buffer, most: number): Promise<Buffer | undefined> {
    for (;;) {
      const at = this.#buffer.indexOf(separator)
      if (at >= 0) {
        const before = this.#buffer.subarray(0, at)
        this.#buffer = this.#buffer.subarray(at + separator.length)
        return before
      }
      if (this.#buffer.length > most || !(await this.#more())) return undefined
    }
  }

  /** What comes before the separator, piece by piece. Throws where the stream ends without it. */
  async *streamUntil(separator: Buffer): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.#buffer.indexOf(separator)
      if (at >= 0) {
        if (at > 0) yield this.#buffer.subarray(0, at)
        await this.#chunks.return?.()
        return
      }
      const safe = this.#buffer.length - separator.length
      if (safe > 0) {
        const piece = this.#buffer.subarray(0, safe)
        this.#buffer = this.#buffer.subarray(safe)
        yield piece
      }
      if (this.#ended || !(await this.#more())) throw new MultipartError('the file is cut off')
    }
  }
}
