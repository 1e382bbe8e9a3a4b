import { discard } from './discard.ts'

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
export async function readMediaParts(
  contentType: string | undefined,
  chunks: AsyncIterable<Uint8Array>,
): Promise<MediaParts> {
  const boundary = /^multipart\/mixed\s*;(?:.*;)?\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;]{1,70}))/i.exec(
    contentType ?? '',
  )
  if (boundary === null) {
    await discard(chunks)
    throw new MultipartError('not multipart/mixed with a boundary')
  }
  const reader = new Reader(chunks)
  const mark = `--${boundary[1] ?? boundary[2]}`
  try {
    const headers = await readHead(reader, mark)
    return { headers, body: reader.streamUntil(Buffer.from(`\r\n${mark}--`)) }
  } catch (error) {
    await reader.leave()
    throw error
  }
}

async function readHead(reader: Reader, mark: string): Promise<Record<string, string>> {
  if ((await reader.until(Buffer.from(`${mark}\r\n`), maxHead)) === undefined) throw new MultipartError('no first part')
  if ((await reader.until(Buffer.from(`\r\n${mark}\r\n`), maxHead)) === undefined)
    throw new MultipartError('no second part')
  // A part without headers begins with the empty line.
  const end = (await reader.peek(2)) === '\r\n' ? '\r\n' : '\r\n\r\n'
  const head = await reader.until(Buffer.from(end), maxHead)
  if (head === undefined) throw new MultipartError('the second part has no end of headers')
  return parseHeaders(head.toString('latin1'))
}

/** The answer's own form of the two parts: the text before the file, and after it. */
export function formatMediaParts(
  boundary: string,
  headers: Readonly<Record<string, string>>,
): { before: string; after: string } {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return {
    before: `--${boundary}\r\nContent-Type: application/json\r\n\r\n{}\r\n--${boundary}\r\n${lines.join('')}\r\n`,
    after: `\r\n--${boundary}--\r\n`,
  }
}

function parseHeaders(text: string): Record<string, string> {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>
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

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next()
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
    try {
      for (;;) {
        const at = this.#buffer.indexOf(separator)
        if (at >= 0) {
          if (at > 0) yield this.#buffer.subarray(0, at)
          return
        }
        const safe = this.#buffer.length - separator.length
        if (safe > 0) {
          const piece = this.#buffer.subarray(0, safe)
          this.#buffer = this.#buffer.subarray(safe)
          yield piece
        }
        if (!(await this.#more())) throw new MultipartError('the file is cut off')
      }
    } finally {
      await this.leave()
    }
  }

  /** Gives the rest of the stream up, which closes the connection. */
  async leave(): Promise<void> {
    await this.#chunks.return?.().catch(() => undefined)
  }
}
