import { randomUUID } from 'node:crypto'
import { MatrixError } from '../protocol/errors.ts'
import {
  findMedia,
  findMediaThumbnail,
  isBlobUsed,
  putMediaAccess,
  putMediaFetch,
  putMediaThumbnail,
} from '../store/media.ts'
import type { MediaRow, ThumbnailRow } from '../store/media.ts'
import type { Ending } from '../util/ending.ts'
import { contentDisposition, cleanContentType, fileHeaders } from './content-type.ts'
import type { MediaDeps } from './deps.ts'
import { formatMediaParts } from './multipart.ts'
import { thumbnailSize } from './thumbnail-size.ts'
import type { ThumbnailRequest } from './thumbnail-size.ts'

/** A file ready to be answered with. */
export interface OpenFile {
  readonly chunks: AsyncIterable<Uint8Array>
  readonly headers: Readonly<Record<string, string>>
}

const accessEveryMs = 3_600_000
const pollMs = 250

/** A local file once its bytes are there; waits up to `timeoutMs`. Throws `M_NOT_FOUND` or `M_NOT_YET_UPLOADED`. */
export async function waitForLocal(
  deps: Pick<MediaDeps, 'database' | 'clock' | 'serverName'>,
  mediaId: string,
  timeoutMs: number,
  signal: Ending,
): Promise<MediaRow> {
  const end = deps.clock.monotonic() + timeoutMs
  for (;;) {
    const row = await deps.database.read((conn) => findMedia(conn, deps.serverName, mediaId))
    if (row === undefined || row.quarantined) throw new MatrixError('M_NOT_FOUND', 'unknown media')
    if (row.sha256 !== null) return row
    if (row.withdrawn_ts !== null) throw new MatrixError('M_NOT_FOUND', 'unknown media')
    if (deps.clock.monotonic() >= end || signal.aborted)
      throw new MatrixError('M_NOT_YET_UPLOADED', 'the file is not uploaded yet')
    await deps.clock.sleep(pollMs, signal).catch(() => undefined)
  }
}

/** Notes who fetches a file before they get a byte of it: an erasure must know who holds a copy. */
export async function noteFetch(
  deps: Pick<MediaDeps, 'database' | 'clock'>,
  row: MediaRow,
  who: { readonly userNid: number } | { readonly serverNid: number },
): Promise<void> {
  const ts = deps.clock.now()
  await deps.database.write(async (tx) => {
    await putMediaFetch(tx, { mediaNid: row.media_nid, userNid: 0, serverNid: 0, ts, ...who })
    await putMediaAccess(tx, row.media_nid, ts, accessEveryMs)
  })
}

/** The file itself; a missing one is 404. `fileName` replaces the stored name where given. */
export async function openFile(
  deps: Pick<MediaDeps, 'blobFiles'>,
  row: MediaRow,
  fileName?: string,
): Promise<OpenFile> {
  const file = row.sha256 === null ? undefined : await deps.blobFiles.read(deps.blobFiles.pathOf(row.sha256))
  if (file === undefined) throw new MatrixError('M_NOT_FOUND', 'the file is gone')
  const type = cleanContentType(row.content_type)
  return {
    chunks: file.chunks,
    headers: {
      ...fileHeaders,
      'content-type': type,
      'content-length': String(file.size),
      'content-disposition': contentDisposition(type, fileName ?? row.file_name),
    },
  }
}

/**
 * A thumbnail, made on first use; a picture that is smaller than asked for as it is. Throws `M_TOO_LARGE` (413, or 502 of
 * a remote file), `M_LIMIT_EXCEEDED`, or 400 where there can be none.
 */
export async function openThumbnail(
  deps: Pick<MediaDeps, 'database' | 'blobFiles' | 'thumbnailer' | 'serverName'>,
  row: MediaRow,
  request: ThumbnailRequest,
): Promise<OpenFile> {
  const { blobFiles } = deps
  const gone = () => new MatrixError('M_NOT_FOUND', 'the file is gone')
  if (row.sha256 === null) throw gone()
  const { sha256 } = row
  const { width, height, isKept } = thumbnailSize(request)
  const key = { sha256, width, height, method: request.method, animated: request.animated }
  const path = blobFiles.thumbnailPathOf(sha256, key)
  const known = isKept ? await deps.database.read((conn) => findMediaThumbnail(conn, key)) : undefined
  const kept = known === undefined ? undefined : await blobFiles.read(path)
  if (known !== undefined && kept !== undefined) return thumbnailFile(kept.chunks, kept.size, known.content_type)
  const original = await blobFiles.read(blobFiles.pathOf(sha256))
  if (original === undefined) throw gone()
  const made = await deps.thumbnailer.scale({ path: blobFiles.pathOf(sha256), ...key })
  if ('bytes' in made) {
    if (isKept) await keepThumbnail(deps, key, path, made)
    return thumbnailFile(one(made.bytes), made.bytes.length, made.contentType)
  }
  switch (made.refusal) {
    case 'small':
      return thumbnailFile(original.chunks, original.size, made.contentType)
    case 'too large':
      throw new MatrixError(
        'M_TOO_LARGE',
        'the picture is too large to scale',
        {},
        row.origin === deps.serverName ? 413 : 502,
      )
    case 'busy':
      throw new MatrixError('M_LIMIT_EXCEEDED', 'too many pictures are waiting to be scaled', { retry_after_ms: 5_000 })
    case 'unsupported':
      throw new MatrixError('M_UNKNOWN', 'there is no thumbnail of this file', {}, 400)
  }
}

/** First the row, then the file, and never of a blob that was deleted meanwhile: every thumbnail on disk has a row. */
async function keepThumbnail(
  deps: Pick<MediaDeps, 'database' | 'blobFiles'>,
  key: Omit<ThumbnailRow, 'content_type' | 'size'>,
  path: string,
  made: { readonly bytes: Uint8Array; readonly contentType: string },
): Promise<void> {
  await deps.blobFiles.exclusive(key.sha256, async () => {
    const isUsed = await deps.database.write(async (tx) => {
      if (!(await isBlobUsed(tx, key.sha256))) return false
      await putMediaThumbnail(tx, { ...key, content_type: made.contentType, size: made.bytes.length })
      return true
    })
    if (!isUsed) return
    await deps.blobFiles.writeThumbnail(path, made.bytes)
    // another process may have deleted the picture meanwhile, with the thumbnails that it found
    if (!(await deps.database.read((conn) => isBlobUsed(conn, key.sha256))))
      await deps.blobFiles.removeThumbnails(key.sha256)
  })
}

/** The file as the two parts that federation answers with. */
export function asMediaParts(file: OpenFile): OpenFile {
  const boundary = randomUUID().replaceAll('-', '')
  const { before, after } = formatMediaParts(boundary, {
    'Content-Type': file.headers['content-type'] ?? 'application/octet-stream',
    ...(file.headers['content-disposition'] === undefined
      ? {}
      : { 'Content-Disposition': file.headers['content-disposition'] }),
  })
  return {
    chunks: around(Buffer.from(before), file.chunks, Buffer.from(after)),
    headers: { ...fileHeaders, 'content-type': `multipart/mixed; boundary=${boundary}` },
  }
}

async function* around(
  before: Uint8Array,
  chunks: AsyncIterable<Uint8Array>,
  after: Uint8Array,
): AsyncGenerator<Uint8Array> {
  yield before
  yield* chunks
  yield after
}

function thumbnailFile(chunks: AsyncIterable<Uint8Array>, size: number, contentType: string): OpenFile {
  return {
    chunks,
    headers: {
      ...fileHeaders,
      'content-type': contentType,
      'content-length': String(size),
      'content-disposition': contentDisposition(contentType, `thumbnail.${contentType.slice('image/'.length)}`),
    },
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
