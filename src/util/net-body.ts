import { pipeline, type Readable, type Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { NetError } from './ports.ts'

/** The content codings that answers may come in. */
export const acceptedEncodings = 'gzip, deflate, br'

function decoderOf(encoding: string): Transform | undefined {
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip()
  if (encoding === 'deflate') return createInflate()
  if (encoding === 'br') return createBrotliDecompress()
  return undefined
}

/**
 * The body of an answer, decompressed, as it comes. Throws NetError: `too-large` as soon as more than `maxBytes` came
 * out, so that nothing larger is ever held; `protocol` for an unknown or nested coding.
 */
export async function* readBody(
  raw: Readable,
  encoding: string | undefined,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  const coding = encoding?.trim().toLowerCase() ?? ''
  const isPlain = coding === '' || coding === 'identity'
  const decoder = isPlain ? undefined : decoderOf(coding)
  if (!isPlain && decoder === undefined) {
    raw.destroy()
    throw new NetError('protocol', 'unknown content coding')
  }
  // The error comes out of the iteration; pipeline only has to pass it on.
  const body: Readable = decoder === undefined ? raw : pipeline(raw, decoder, () => {})
  let size = 0
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      size += chunk.length
      if (size > maxBytes) throw new NetError('too-large', 'the answer is too large')
      yield chunk
    }
  } finally {
    raw.destroy()
    decoder?.destroy()
  }
}
