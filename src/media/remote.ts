import { FederationError } from '../federation/errors.ts'
import { MatrixError } from '../protocol/errors.ts'
import type { ServerName } from '../protocol/ids.ts'
import { findMedia, insertMedia } from '../store/media.ts'
import type { MediaRow } from '../store/media.ts'
import { NetError } from '../util/ports.ts'
import { cleanContentType, fileNameOf } from './content-type.ts'
import type { MediaDeps } from './deps.ts'
import { MultipartError, readMediaParts } from './multipart.ts'

type Deps = Pick<MediaDeps, 'database' | 'clock' | 'config' | 'federation' | 'blobFiles'>

/** Fetches files of other servers; many who ask for one file at once wait for one fetch. */
export class RemoteFetches {
  readonly #running = new Map<string, Promise<MediaRow>>()

  /** The file, from our copy or from its origin. Throws `M_NOT_FOUND`, `M_TOO_LARGE` (502) or `M_NOT_YET_UPLOADED`. */
  async get(deps: Deps, origin: ServerName, mediaId: string, timeoutMs: number): Promise<MediaRow> {
    const row = await deps.database.read((conn) => findMedia(conn, origin, mediaId))
    if (row !== undefined) return row
    const key = `${origin}/${mediaId}`
    const running = this.#running.get(key) ?? fetchRemote(deps, origin, mediaId, timeoutMs).finally(() => this.#running.delete(key))
    this.#running.set(key, running)
    return running
  }
}

async function fetchRemote(deps: Deps, origin: ServerName, mediaId: string, timeoutMs: number): Promise<MediaRow> {
  const maxBytes = deps.config.media.maxUploadBytes
  try {
    const answer = await deps.federation.stream(origin, {
      method: 'GET',
      path: `/_matrix/federation/v1/media/download/${encodeURIComponent(mediaId)}`,
      query: { timeout_ms: timeoutMs },
      maxBytes: maxBytes + 64 * 1024,
      deadlineMs: 60_000,
    })
    const { headers, body } = await readMediaParts(answer.headers['content-type'], answer.body)
    // NOTSPEC: a `Location` of another server's choosing is not followed; it could point anywhere.
    if (headers['location'] !== undefined) throw new MatrixError('M_NOT_FOUND', 'the other server keeps this file elsewhere')
    const { sha256, size } = await deps.blobFiles.write(capped(body, maxBytes))
    await deps.database.write((tx) =>
      insertMedia(tx, {
        origin,
        mediaId,
        uploaderNid: null,
        sha256,
        size,
        contentType: cleanContentType(headers['content-type']),
        fileName: fileNameOf(headers['content-disposition']),
        ts: deps.clock.now(),
      }),
    )
  } catch (error) {
    throw asMatrixError(error)
  }
  const row = await deps.database.read((conn) => findMedia(conn, origin, mediaId))
  if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'unknown media')
  return row
}

async function* capped(chunks: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > most) throw new MatrixError('M_TOO_LARGE', 'the file is too large', {}, 502)
    yield chunk
  }
}

function asMatrixError(error: unknown): unknown {
  if (error instanceof NetError && error.failure === 'too-large') return new MatrixError('M_TOO_LARGE', 'the file is too large', {}, 502)
  if (error instanceof MultipartError || error instanceof NetError) return new MatrixError('M_UNKNOWN', 'the other server did not answer with the file', {}, 502)
  if (!(error instanceof FederationError)) return error
  if (error.remote?.status === 504) return new MatrixError('M_NOT_YET_UPLOADED', 'the file is not uploaded yet')
  if (error.kind === 'refused') return new MatrixError('M_NOT_FOUND', 'the other server does not have this file')
  return new MatrixError('M_UNKNOWN', 'the other server could not be reached', {}, 502)
}
