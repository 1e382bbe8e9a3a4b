import type { Tx } from '../store/database.ts'
import {
  countRemoteMediaBytes,
  deleteBlobRows,
  deleteMedia,
  isBlobUsed,
  listLeastUsedRemoteMedia,
  listStaleRemoteMedia,
  listUnusedBlobs,
  listUsedBlobs,
} from '../store/media.ts'
import { listLiveWriters } from '../store/writer-rows.ts'
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
 * between is mended by `sweepBlobs`. One that a new row names by now stays.
 */
export async function deleteBlobFiles(
  deps: Pick<MediaDeps, 'database' | 'blobFiles'>,
  blobs: readonly string[],
): Promise<void> {
  for (const sha256 of new Set(blobs)) {
    await deps.blobFiles.exclusive(sha256, async () => {
      const isUsed = () => deps.database.read((conn) => isBlobUsed(conn, sha256))
      if (deps.blobFiles.isAwaited(sha256) || (await isUsed())) return
      await deps.blobFiles.removeThumbnails(sha256)
      if (await deps.blobFiles.removeUnless(sha256, isUsed))
        await deps.database.write((tx) => deleteBlobRows(tx, sha256))
    })
  }
}

const blobsAtOnce = 200

/**
 * Deletes files on disk, and rows of blobs, that no file names: what a crash left behind. It takes the longer the more
 * files there are, so it runs beside the requests; `signal` ends it.
 */
export async function sweepBlobs(deps: Pick<MediaDeps, 'database' | 'blobFiles'>, signal?: AbortSignal): Promise<void> {
  const { database, blobFiles } = deps
  const owners = database.engine === 'postgres' ? await database.read(listLiveWriters) : []
  await blobFiles.sweep(new Set(owners), (sha256) => database.read((conn) => isBlobUsed(conn, sha256)))
  let some = new Set<string>()
  const look = async () => {
    if (some.size === 0) return
    const used = await database.read((conn) => listUsedBlobs(conn, [...some]))
    await deleteBlobFiles(
      deps,
      [...some].filter((sha256) => !used.has(sha256)),
    )
    some = new Set()
  }
  for await (const sha256 of blobFiles.list()) {
    if (signal?.aborted === true) return
    some.add(sha256)
    if (some.size >= blobsAtOnce) await look()
  }
  await look()
  for (;;) {
    const unused = await database.read((conn) => listUnusedBlobs(conn, 100))
    await deleteBlobFiles(deps, unused)
    if (unused.length < 100) return
  }
}

/**
 * Deletes copies of remote files that nobody asked for in the time that the configuration keeps them, and, while there
 * are more bytes than it allows, those that nobody asked for for the longest time.
 */
export async function sweepRemoteMedia(
  deps: Pick<MediaDeps, 'database' | 'blobFiles' | 'clock' | 'config' | 'serverName'>,
): Promise<void> {
  const { retainMs, maxSizeBytes } = deps.config.media.remoteCache
  const before = deps.clock.now() - retainMs
  for (;;) {
    const stale = await deps.database.read((conn) => listStaleRemoteMedia(conn, deps.serverName, before, 100))
    if (stale.length === 0) break
    await deleteBlobFiles(deps, await deps.database.write((tx) => deleteMediaRows(tx, stale)))
  }
  let tooMuch = (await deps.database.read((conn) => countRemoteMediaBytes(conn, deps.serverName))) - maxSizeBytes
  while (tooMuch > 0) {
    const doomed: number[] = []
    for (const { mediaNid, size } of await deps.database.read((conn) =>
      listLeastUsedRemoteMedia(conn, deps.serverName, 100),
    )) {
      if (tooMuch <= 0) break
      doomed.push(mediaNid)
      tooMuch -= size
    }
    if (doomed.length === 0) return
    await deleteBlobFiles(deps, await deps.database.write((tx) => deleteMediaRows(tx, doomed)))
  }
}
