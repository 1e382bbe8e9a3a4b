import type { ServerName } from '../protocol/ids.ts'
import type { Tx } from '../store/database.ts'
import { findMedia, isProfilePictureOfSomebody, withdrawMedia } from '../store/media.ts'
import type { MediaDeps } from './deps.ts'
import { deleteBlobFiles, deleteMediaRows } from './remove.ts'

/**
 * Files that no stored event shows any more, because the last one was redacted: what was redacted is gone for everybody,
 * so its files are too, but for pictures that somebody has in their profile. Bytes go after the commit; a crash in
 * between is mended by `sweepBlobs`.
 */
export async function releaseMedia(
  tx: Tx,
  deps: Pick<MediaDeps, 'database' | 'blobFiles' | 'clock' | 'log'> & { readonly serverName: ServerName },
  released: readonly { readonly origin: string; readonly mediaId: string }[],
): Promise<void> {
  const blobs: string[] = []
  for (const { origin, mediaId } of released) {
    const row = await findMedia(tx, origin, mediaId)
    if (row === undefined || (await isProfilePictureOfSomebody(tx, `mxc://${origin}/${mediaId}`))) continue
    if (row.sha256 !== null) blobs.push(row.sha256)
    if (origin === deps.serverName) await withdrawMedia(tx, row.media_nid, deps.clock.now())
    else await deleteMediaRows(tx, [row.media_nid])
  }
  if (blobs.length === 0) return
  tx.afterCommit(() => {
    deleteBlobFiles(deps, blobs).catch((error: unknown) => deps.log.error('files could not be deleted yet', { error }))
  })
}
