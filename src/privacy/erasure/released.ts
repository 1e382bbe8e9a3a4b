import { findUserOfErasure, listErasures } from '../../store/erasures.ts'
import type { PrivacyDeps } from '../deps.ts'
import { listHeldInbound } from '../../store/inbound-erasures.ts'
import { eraseStored } from './erase-stored.ts'

/**
 * In `forget` what people hold stays until the last of them forgets the room, or is gone (P1): looked at again for
 * every erasure that is settled.
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
}
