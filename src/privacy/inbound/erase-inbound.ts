import { deletedFact, raiseFact } from '../../store/facts.ts'
import { listDueInboundErasures, putInboundErasureDone } from '../../store/inbound-erasures.ts'
import type { PrivacyDeps } from '../deps.ts'
import { eraseStored } from '../erasure/erase-stored.ts'

/**
 * The destructive part of erasures that other servers asked for, when their quarantine is over. It may be repeated. Gives
 * whether any was due: the database is to be rewritten for it.
 */
export async function eraseInboundDue(deps: PrivacyDeps, signal: AbortSignal): Promise<boolean> {
  const due = await deps.database.read((conn) => listDueInboundErasures(conn, deps.clock.now()))
  for (const row of due) {
    await eraseStored(deps, signal, {
      userNid: row.user_nid,
      userId: row.user_id,
      mode: row.erasure_mode === 'forget' ? 'forget' : 'redact',
      mark: { erasedTs: row.received_ts, returnedTs: row.returned_ts ?? undefined },
      isLocal: false,
    })
    deps.failpoint?.('inbound:before:DONE')
    const now = deps.clock.now()
    await deps.database.write(async (tx) => {
      await putInboundErasureDone(tx, row.user_nid, row.received_ts, now)
      // also where nothing was left to prune: redactions that came before have left copies in free pages
      await raiseFact(tx, deletedFact, now)
    })
    deps.log.info('an erasure that another server asked for is done')
  }
  return due.length > 0
}
