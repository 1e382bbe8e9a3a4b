import type { IncomingMessage } from 'node:http'
import { MatrixError } from '../protocol/errors.ts'
import type { Config } from '../util/config.ts'

/** Which body size limit holds. */
export type BodyKind = 'event' | 'keys' | 'transaction' | 'media'

/** A request's body: Node's own stream, or the web's or the bytes themselves where the app is called without a socket. */
export type BodySource = IncomingMessage | ReadableStream<Uint8Array> | Uint8Array | null

const maxBytesOf = {
  event: 128 * 1024,
  keys: Math.floor(12.8 * 1024 * 1024),
  transaction: Math.floor(12.8 * 1024 * 1024),
}

/** The largest body of its kind, in bytes. */
export function maxBodyBytes(kind: BodyKind, config: Pick<Config, 'media'>): number {
  return kind === 'media' ? config.media.maxUploadBytes : maxBytesOf[kind]
}

/** Collects a body, counting while it reads. Throws `M_TOO_LARGE`. */
export async function readBytes(source: BodySource, maxBytes: number): Promise<Uint8Array> {
  if (source === null) return new Uint8Array(0)
  if (source instanceof ReadableStream || source instanceof Uint8Array) return collect(streamBody(source, maxBytes))
  return readIncoming(source, maxBytes)
}

function readIncoming(incoming: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const stop = () => {
      incoming.off('data', take).off('end', done).off('error', lost).off('close', lost)
    }
    const take = (chunk: Buffer) => {
      length += chunk.length
      if (length > maxBytes) {
        stop()
        incoming.pause()
        reject(tooLarge())
      } else chunks.push(chunk)
    }
    const done = () => {
      stop()
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length))
    }
    const lost = () => {
      stop()
      reject(connectionLost())
    }
    if (incoming.readableEnded || incoming.destroyed) return incoming.complete ? done() : lost()
    incoming.on('data', take).on('end', done).on('error', lost).on('close', lost)
  })
}

/** Hands a body over chunk by chunk, counting. Throws `M_TOO_LARGE`. */
export async function* streamBody(source: BodySource, maxBytes: number): AsyncGenerator<Uint8Array> {
  if (source === null) return
  let length = 0
  const chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array> =
    source instanceof Uint8Array
      ? [source]
      : source instanceof ReadableStream
        ? source
        : source.iterator({ destroyOnReturn: false })
  try {
    for await (const chunk of chunks) {
      length += chunk.length
      if (length > maxBytes) throw tooLarge()
      yield chunk
    }
  } catch (error) {
    throw error instanceof MatrixError ? error : connectionLost()
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

const tooLarge = () => new MatrixError('M_TOO_LARGE', 'the body is too large')
const connectionLost = () => new MatrixError('M_UNKNOWN', 'the connection was lost', {}, 400)
