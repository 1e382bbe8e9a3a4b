import { listErasures } from '../../store/erasures.ts'
import { findFact } from '../../store/facts.ts'
import type { PrivacyDeps } from '../deps.ts'
import { listHeldInbound } from '../../store/inbound-erasures.ts'
import { deletedFact, eraseStored } from './erase-stored.ts'
import { rewriteDueTs, rewriteNow, wasRewrittenSince } from './rewrite.ts'

const dayMs = 86_400_000

/**
 * In `forget` what people hold stays until the last of them forgets the room, or is gone (P1): looked at again for
 * every erasure that is settled. Then the database is rewritten, when that is due.
 */
export async function eraseReleased(deps: PrivacyDeps, signal: AbortSignal): Promise<void> {
  const settled = (await deps.database.read(listErasures)).filter(
    ({ mode, settled_ts: ts, state }) => mode === 'forget' && ts !== null && state !== 'CANCELLED',
  )
  for (const row of settled)
    await eraseStored(deps, signal, {
      userNid: row.user_nid,
      mode: 'forget',
      mark: { erasedTs: row.locked_ts ?? row.requested_ts },
      isLocal: true,
    })
  for (const row of await deps.database.read(listHeldInbound))
    await eraseStored(deps, signal, {
      userNid: row.user_nid,
      mode: 'forget',
      mark: { erasedTs: row.received_ts, returnedTs: row.returned_ts ?? undefined },
      isLocal: false,
    })
  await rewriteIfDeleted(deps)
}

/** Rewrites the database for what was deleted outside of a job, when that is due. */
export async function rewriteIfDeleted(deps: PrivacyDeps): Promise<void> {
  const deletedTs = Number((await deps.database.read((conn) => findFact(conn, deletedFact))) ?? -1)
  if (deletedTs < 0 || (await wasRewrittenSince(deps, deletedTs))) return
  if (deps.clock.now() >= (await rewriteDueTs(deps, deletedTs + 30 * dayMs))) await rewriteNow(deps)
}
