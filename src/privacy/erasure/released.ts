import { deleteBlobFiles, deleteMediaRows } from '../../media/remove.ts'
import { deleteLinksOfMedia, listMediaLeftBehind } from '../../store/erasure-media.ts'
import { findUserOfErasure, listErasures } from '../../store/erasures.ts'
import { deletedFact, raiseFact } from '../../store/facts.ts'
import { listHeldInbound } from '../../store/inbound-erasures.ts'
import type { PrivacyDeps } from '../deps.ts'
import { eraseStored } from './erase-stored.ts'

const slice = 100

/**
 * In `forget` what people hold stays until the last of them forgets the room, or is gone (P1): looked at again for
 * every erasure that is settled. So is, in both modes, what described a room and does so no more.
 */
export async function eraseReleased(deps: PrivacyDeps, signal: AbortSignal): Promise<void> {
  const settled = (await deps.database.read(listErasures)).filter(
    ({ mode, settled_ts: ts, state }) => mode === 'forget' && ts !== null && state !== 'CANCELLED',
  )
  for (const row of settled) {
    const userId = await deps.database.read((conn) => findUserOfErasure(conn, row.user_nid))
    if (userId === undefined) continue
    await eraseStored(deps, signal, {
      userNid: row.user_nid,
      userId,
      mode: 'forget',
      mark: { erasedTs: row.locked_ts ?? row.requested_ts },
      isLocal: true,
    })
  }
  for (const row of await deps.database.read(listHeldInbound))
    await eraseStored(deps, signal, {
      userNid: row.user_nid,
      userId: row.user_id,
      mode: 'forget',
      mark: { erasedTs: row.received_ts, returnedTs: row.returned_ts ?? undefined },
      isLocal: false,
    })
  await deleteLeftBehind(deps, signal)
}

/** A file that was the picture of a room at T0 is described as kept; when the room has another one, it goes too. */
async function deleteLeftBehind(deps: PrivacyDeps, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted()
    const nids = await deps.database.read((conn) => listMediaLeftBehind(conn, slice))
    if (nids.length === 0) return
    const blobs = await deps.database.write(async (tx) => {
      await deleteLinksOfMedia(tx, nids)
      await raiseFact(tx, deletedFact, deps.clock.now())
      return deleteMediaRows(tx, nids)
    })
    await deleteBlobFiles(deps, blobs)
  }
}
