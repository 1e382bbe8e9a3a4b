import { MatrixError } from '../protocol/errors.ts'
import type { ServerName } from '../protocol/ids.ts'
import { findMedia, insertMedia } from '../store/media.ts'
import type { MediaRow } from '../store/media.ts'
import { cleanContentType, fileNameOf } from './content-type.ts'
import type { MediaDeps, RemoteFiles } from './deps.ts'
import { openAtOrigin } from './origin.ts'
import { asMediaError } from './origin-error.ts'
import { deleteBlobFiles } from './remove.ts'
import { storeFile } from './store-file.ts'

type Deps = Pick<MediaDeps, 'database' | 'clock' | 'config' | 'federation' | 'blobFiles' | 'net'>

/** Fetches files of other servers; many who ask for one file at once wait for one fetch. */
export class RemoteFetches implements RemoteFiles {
  readonly #running = new Map<string, Promise<MediaRow>>()

  /** The file, from our copy or from its origin. Throws `M_NOT_FOUND`, `M_TOO_LARGE` (502) or `M_NOT_YET_UPLOADED`. */
  async get(deps: Deps, origin: ServerName, mediaId: string, timeoutMs: number): Promise<MediaRow> {
    const row = await deps.database.read((conn) => findMedia(conn, origin, mediaId))
    if (row !== undefined) return row
    const key = `${origin}/${mediaId}`
    const running = this.#running.get(key)
    if (running !== undefined) return running
    const fetched = fetchRemote(deps, origin, mediaId, timeoutMs).finally(() => this.#running.delete(key))
    this.#running.set(key, fetched)
    return fetched
  }
}

async function fetchRemote(deps: Deps, origin: ServerName, mediaId: string, timeoutMs: number): Promise<MediaRow> {
  const maxBytes = deps.config.media.maxUploadBytes
  try {
    const { headers, body } = await openAtOrigin(deps, origin, mediaId, { timeoutMs, maxBytes })
    const { nid, sha256 } = await storeFile(deps, capped(body, maxBytes), async (tx, blob) => ({
      sha256: blob.sha256,
      nid: await insertMedia(tx, {
        origin,
        mediaId,
        uploaderNid: null,
        sha256: blob.sha256,
        size: blob.size,
        contentType: cleanContentType(headers['content-type']),
        fileName: fileNameOf(headers['content-disposition']),
        ts: deps.clock.now(),
      }),
    }))
    // Another process was faster, perhaps with other bytes.
    if (nid === undefined) await deleteBlobFiles(deps, [sha256])
  } catch (error) {
    throw asMediaError(error)
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
