import { randomUUID } from 'node:crypto'
import { MatrixError } from '../protocol/errors.ts'
import { findMedia, findMediaThumbnail, putMediaAccess, putMediaFetch, putMediaThumbnail } from '../store/media.ts'
import type { MediaRow } from '../store/media.ts'
import { contentDisposition, cleanContentType, fileHeaders } from './content-type.ts'
import type { MediaDeps } from './deps.ts'
import { formatMediaParts } from './multipart.ts'

/** A file ready to be answered with. */
export interface OpenFile {
  readonly chunks: AsyncIterable<Uint8Array>
  readonly headers: Readonly<Record<string, string>>
}

/** The size and kind of thumbnail that a client asks for. */
export interface ThumbnailRequest {
  readonly width: number
  readonly height: number
  readonly method: 'crop' | 'scale'
  readonly animated: boolean
}

const accessEveryMs = 3_600_000
const pollMs = 250

/** A local file once its bytes are there; waits up to `timeoutMs`. Throws `M_NOT_FOUND` or `M_NOT_YET_UPLOADED`. */
export async function waitForLocal(
  deps: Pick<MediaDeps, 'database' | 'clock' | 'serverName'>,
  mediaId: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<MediaRow> {
  const end = deps.clock.monotonic() + timeoutMs
  for (;;) {
    const row = await deps.database.read((conn) => findMedia(conn, deps.serverName, mediaId))
    if (row === undefined || row.quarantined) throw new MatrixError('M_NOT_FOUND', 'unknown media')
    if (row.sha256 !== null) return row
    if (row.withdrawn_ts !== null) throw new MatrixError('M_NOT_FOUND', 'unknown media')
    if (deps.clock.monotonic() >= end || signal.aborted) throw new MatrixError('M_NOT_YET_UPLOADED', 'the file is not uploaded yet')
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
export async function openFile(deps: Pick<MediaDeps, 'blobFiles'>, row: MediaRow, fileName?: string): Promise<OpenFile> {
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

/** A thumbnail, made on first use. Throws `M_TOO_LARGE` (413, or 502 of a remote file) or 400 where there can be none. */
export async function openThumbnail(
  deps: Pick<MediaDeps, 'database' | 'blobFiles' | 'thumbnailer' | 'serverName'>,
  row: MediaRow,
  request: ThumbnailRequest,
): Promise<OpenFile> {
  if (row.sha256 === null) throw new MatrixError('M_NOT_FOUND', 'the file is gone')
  const { sha256 } = row
  const key = { sha256, ...nearestSize(request), method: request.method, animated: request.animated }
  const path = deps.blobFiles.thumbnailPathOf(sha256, key)
  const known = await deps.database.read((conn) => findMediaThumbnail(conn, key))
  const kept = known === undefined ? undefined : await deps.blobFiles.read(path)
  if (known !== undefined && kept !== undefined) return thumbnailFile(kept.chunks, kept.size, known.content_type)
  const made = await deps.thumbnailer.scale({ path: deps.blobFiles.pathOf(sha256), ...key })
  if ('refusal' in made) {
    if (made.refusal === 'small') return openFile(deps, row)
    if (made.refusal === 'too large')
      throw new MatrixError('M_TOO_LARGE', 'the picture is too large to scale', {}, row.origin === deps.serverName ? 413 : 502)
    throw new MatrixError('M_UNKNOWN', 'there is no thumbnail of this file', {}, 400)
  }
  const { bytes, contentType } = made
  await deps.blobFiles.writeThumbnail(path, bytes)
  await deps.database.write((tx) => putMediaThumbnail(tx, { ...key, content_type: contentType, size: bytes.length }))
  return thumbnailFile([bytes], bytes.length, contentType)
}

/** The file as the two parts that federation answers with. */
export function asMediaParts(file: OpenFile): OpenFile {
  const boundary = randomUUID().replaceAll('-', '')
  const { before, after } = formatMediaParts(boundary, {
    'Content-Type': file.headers['content-type'] ?? 'application/octet-stream',
    ...(file.headers['content-disposition'] === undefined ? {} : { 'Content-Disposition': file.headers['content-disposition'] }),
  })
  return {
    chunks: around(Buffer.from(before), file.chunks, Buffer.from(after)),
    headers: { ...fileHeaders, 'content-type': `multipart/mixed; boundary=${boundary}` },
  }
}

async function* around(before: Uint8Array, chunks: AsyncIterable<Uint8Array>, after: Uint8Array): AsyncGenerator<Uint8Array> {
  yield before
  yield* chunks
  yield after
}

function thumbnailFile(chunks: AsyncIterable<Uint8Array> | readonly Uint8Array[], size: number, contentType: string): OpenFile {
  return {
    chunks: Symbol.asyncIterator in chunks ? chunks : one(chunks),
    headers: {
      ...fileHeaders,
      'content-type': contentType,
      'content-length': String(size),
      'content-disposition': contentDisposition(contentType, null),
    },
  }
}

async function* one(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

const sizes = [32, 96, 240, 320, 480, 640, 800, 1280, 1920] as const

/** A size not smaller than asked for, out of a few, so that a client cannot fill the disk with thumbnails. */
function nearestSize({ width, height, method }: ThumbnailRequest): { width: number; height: number } {
  const up = (size: number) => sizes.find((known) => known >= size) ?? 1920
  // A crop's shape is the one asked for, so both sides grow alike.
  if (method === 'crop' && width === height) return { width: up(width), height: up(width) }
  return { width: up(width), height: up(height) }
}
