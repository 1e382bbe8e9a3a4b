import type { Tx } from '../store/database.ts'
import { deleteBlobRows, deleteMedia, isBlobUsed, listMediaThumbnails, listStaleRemoteMedia } from '../store/media.ts'
import type { MediaDeps } from './deps.ts'

/** Deletes rows of files in the transaction given. Returns the blobs to hand to `deleteBlobFiles` after the commit. */
export async function deleteMediaRows(tx: Tx, mediaNids: readonly number[]): Promise<string[]> {
  const blobs: string[] = []
  for (const mediaNid of mediaNids) {
    const blob = await deleteMedia(tx, mediaNid)
    if (blob !== undefined) blobs.push(blob)
  }
  return blobs
}

/**
 * Deletes the files of blobs that no row names any more: thumbnails first, then the blob, then their rows; a crash in
 * between is mended by `sweepBlobs`.
 */
export async function deleteBlobFiles(deps: Pick<MediaDeps, 'database' | 'blobFiles'>, blobs: readonly string[]): Promise<void> {
  for (const sha256 of new Set(blobs)) {
    if (await deps.database.read((conn) => isBlobUsed(conn, sha256))) continue
    for (const thumbnail of await deps.database.read((conn) => listMediaThumbnails(conn, sha256)))
      await deps.blobFiles.remove(deps.blobFiles.thumbnailPathOf(sha256, thumbnail))
    await deps.blobFiles.remove(deps.blobFiles.pathOf(sha256))
    await deps.database.write((tx) => deleteBlobRows(tx, sha256))
  }
}

/** Deletes files on disk that no row names: what a crash left between file and row. Run at start. */
export async function sweepBlobs(deps: Pick<MediaDeps, 'database' | 'blobFiles'>): Promise<void> {
  await deps.blobFiles.sweep()
  const orphans: string[] = []
  for await (const sha256 of deps.blobFiles.list()) {
    if (/^[0-9a-f]{64}$/.test(sha256) && !(await deps.database.read((conn) => isBlobUsed(conn, sha256)))) orphans.push(sha256)
  }
  await deleteBlobFiles(deps, orphans)
}

/** Deletes copies of remote files that nobody asked for in the time that the configuration keeps them. */
export async function sweepRemoteMedia(
  deps: Pick<MediaDeps, 'database' | 'blobFiles' | 'clock' | 'config' | 'serverName'>,
): Promise<void> {
  const before = deps.clock.now() - deps.config.media.remoteCache.retainMs
  for (;;) {
    const stale = await deps.database.read((conn) => listStaleRemoteMedia(conn, deps.serverName, before, 100))
    if (stale.length === 0) return
    await deleteBlobFiles(deps, await deps.database.write((tx) => deleteMediaRows(tx, stale)))
  }
}
