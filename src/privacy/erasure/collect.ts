import { deleteBlobFiles, deleteMediaRows } from '../../media/remove.ts'
import {
  listMediaToErase,
  listMediaWithHolders,
  deleteLinksOfMedia,
  putErasureMediaState,
} from '../../store/erasure-media.ts'
import { putErasureCollected } from '../../store/erasures.ts'
import { deleteOutboundTransactionsOf } from '../../store/scrub.ts'
import type { PrivacyDeps } from '../deps.ts'
import { takeCensus } from './census.ts'
import { addDeleted, changeCounts } from './counts.ts'
import type { Job, StepResult } from './job.ts'
import { writeFor } from './job.ts'
import { countNow } from './kept.ts'
import { pruneAtRest } from './redact.ts'
import { rewriteNow, rewriteWaitsUntil, wasRewrittenSince } from './rewrite.ts'

const slice = 50

/**
 * COLLECT (ERASURE.md section 5): physical deletion. What came since the census is noted and pruned, files go by the
 * reference count of their blobs, then the database is rewritten, for all erasures together.
 */
export async function collect(deps: PrivacyDeps, job: Job): Promise<StepResult> {
  let collectedTs = job.collectedTs
  if (collectedTs === null) {
    await takeCensus(deps, job)
    await pruneAtRest(deps, job)
    deps.failpoint?.('erasure:in:COLLECT:pruned')
    await deleteFiles(deps, job)
    deps.failpoint?.('erasure:in:COLLECT:files')
    collectedTs = await writeFor(deps, job, async (tx) => {
      await addDeleted(tx, job.nid, { outbound_transactions: await deleteOutboundTransactionsOf(tx, job.userNid) })
      const now = await countNow(deps, tx, job)
      await changeCounts(tx, job.nid, (counts) => ({ ...counts, ...now }))
      const ts = deps.clock.now()
      await putErasureCollected(tx, job.nid, ts)
      return ts
    })
  }
  if (await wasRewrittenSince(deps, collectedTs)) return 'done'
  const waitUntilTs = await rewriteWaitsUntil(deps, job.deadlineTs)
  if (waitUntilTs !== undefined) return { waitUntilTs }
  await rewriteNow(deps)
  deps.failpoint?.('erasure:in:COLLECT:rewritten')
  return (await wasRewrittenSince(deps, collectedTs)) ? 'done' : { waitUntilTs: deps.clock.now() + 1_000 }
}

/** Deletes the person's files: all of them, or in `forget` those that nobody holds. */
async function deleteFiles(deps: PrivacyDeps, job: Job): Promise<void> {
  let after = 0
  for (;;) {
    const found = await deps.database.read((conn) =>
      job.mode === 'redact'
        ? listMediaToErase(conn, job.userNid, slice).then((nids) =>
            nids.map((mediaNid) => ({ mediaNid, isHeld: false })),
          )
        : listMediaWithHolders(conn, job.userNid, after, slice),
    )
    if (found.length === 0) return
    after = found.at(-1)?.mediaNid ?? after
    const doomed = found.filter(({ isHeld }) => !isHeld).map(({ mediaNid }) => mediaNid)
    const kept = found.filter(({ isHeld }) => isHeld).map(({ mediaNid }) => mediaNid)
    // the file's rows go first: after a crash in between the sweep at the next start finds the blob
    const blobs = await writeFor(deps, job, async (tx) => {
      await deleteLinksOfMedia(tx, doomed)
      const released = await deleteMediaRows(tx, doomed)
      await putErasureMediaState(tx, job.nid, doomed, 'deleted')
      await putErasureMediaState(tx, job.nid, kept, 'kept')
      await addDeleted(tx, job.nid, { media: doomed.length })
      return released
    })
    await deleteBlobFiles(deps, blobs)
  }
}
