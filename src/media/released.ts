import type { Tx } from '../store/database.ts'
import {
  deleteReleaseOfShownMedia,
  isAnyMediaReleased,
  listReleasedMedia,
  putMediaReleased,
} from '../store/released-media.ts'
import type { MediaDeps } from './deps.ts'
import { deleteBlobFiles, deleteMediaRows } from './remove.ts'

/** How long a released file is kept: an event that shows it again may be on its way. Nobody can read it meanwhile. */
export const keepReleasedMs = 24 * 3_600_000

/**
 * Files that no stored event shows any more, because the last one was redacted: what was redacted is gone for everybody,
 * so its files are too, at once (`assertUserMayReadMedia`). One that somebody has as their picture stays until they
 * change it.
 */
export async function releaseMedia(
  tx: Tx,
  deps: Pick<MediaDeps, 'clock'>,
  released: readonly { readonly origin: string; readonly mediaId: string }[],
): Promise<void> {
  const ts = deps.clock.now()
  for (const { origin, mediaId } of released) await putMediaReleased(tx, origin, mediaId, ts)
}

/** Deletes files that were released more than a day ago, copies of remote ones too; what is shown again stays. */
export async function sweepReleased(deps: Pick<MediaDeps, 'database' | 'blobFiles' | 'clock'>): Promise<void> {
  const before = deps.clock.now() - keepReleasedMs
  if (!(await deps.database.read(isAnyMediaReleased))) return
  await deps.database.write((tx) => deleteReleaseOfShownMedia(tx))
  for (;;) {
    const { found, blobs } = await deps.database.write(async (tx) => {
      const nids = await listReleasedMedia(tx, before, 100)
      return { found: nids.length, blobs: await deleteMediaRows(tx, nids) }
    })
    await deleteBlobFiles(deps, blobs)
    if (found < 100) return
  }
}
