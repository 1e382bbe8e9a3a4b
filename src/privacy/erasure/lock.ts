import { endAccount } from '../../accounts/end-account.ts'
import type { UserId } from '../../protocol/ids.ts'
import { findAccount } from '../../store/accounts.ts'
import { insertAudit } from '../../store/audit.ts'
import type { Tx } from '../../store/database.ts'
import { insertErasure, listErasuresOfUser } from '../../store/erasures.ts'
import type { ErasureMode } from '../../store/erasures.ts'
import { withdrawMediaOfUser } from '../../store/erasure-media.ts'
import { putUserErased } from '../../store/erased-marks.ts'
import { bumpEpoch } from '../../store/epochs.ts'
import { countRowsOfSubject, deleteProfile } from '../../store/scrub.ts'
import type { PrivacyDeps } from '../deps.ts'
import { addDeleted } from './counts.ts'

/** What is needed to lock an account; the journal's line holds the same. */
export interface LockRequest {
  readonly id: string
  readonly userId: UserId
  readonly userNid: number
  readonly mode: ErasureMode
  /** T0 */
  readonly ts: number
  readonly deadlineTs: number
  readonly delayMs: number
  readonly by: string
  readonly reason: string | null
  readonly receiptHash: string
  readonly salt: Buffer
  readonly journalSeq: number
}

/** Somebody else has begun the erasure of this person; its row id. */
export class AlreadyErasing extends Error {
  override name = 'AlreadyErasing'
}

/**
 * REQUESTED to LOCKED, in the caller's transaction, which holds the user's row: from its commit on nobody can use the
 * account, its name is taken for ever, its files are withdrawn, and what it wrote is pruned for whoever is new, in every
 * process (ERASURE.md section 5, "LOCKED"). Throws AlreadyErasing. Returns the row id of the job.
 */
export async function lockForErasure(
  tx: Tx,
  deps: Pick<PrivacyDeps, 'journal' | 'sessions' | 'outbound' | 'changes' | 'erased' | 'roomCache' | 'eraser'>,
  lock: LockRequest,
): Promise<number> {
  const { userNid, userId, mode, ts } = lock
  const others = await listErasuresOfUser(tx, userNid)
  if (others.some(({ state }) => state !== 'CANCELLED')) throw new AlreadyErasing(userId)
  await deps.journal.note(tx, lock.journalSeq)
  const before = await countRowsOfSubject(tx, lock)
  if ((await findAccount(tx, userNid)) !== undefined)
    await endAccount(tx, deps, { userNid, userId, reason: 'erased', ts })
  await deleteProfile(tx, userNid)
  await deps.sessions.invalidate(tx)
  await markErased(tx, deps, { userNid, mode, ts })
  await withdrawMediaOfUser(tx, userNid, ts)
  const erasureNid = await insertErasure(tx, {
    id: lock.id,
    userNid,
    mode,
    requestedTs: ts,
    deadlineTs: lock.deadlineTs,
    notBeforeTs: ts + lock.delayMs,
    lockedTs: ts,
    requestedBy: lock.by,
    reason: lock.reason,
    receiptHash: lock.receiptHash,
    salt: lock.salt,
    journalSeq: lock.journalSeq,
  })
  const after = await countRowsOfSubject(tx, lock)
  await addDeleted(
    tx,
    erasureNid,
    Object.fromEntries(Object.entries(before).map(([table, n]) => [table, n - (after[table] ?? 0)])),
  )
  const actor = lock.by === 'self' ? userId : lock.by
  await insertAudit(tx, { ts, actor, action: 'erasure.request', target: userId, reason: lock.reason })
  tx.afterCommit(() => deps.eraser.wake())
  return erasureNid
}

/** The mark that reading, sending and receiving go by, set in every process from the commit on. */
export async function markErased(
  tx: Tx,
  deps: Pick<PrivacyDeps, 'erased' | 'changes'>,
  mark: { readonly userNid: number; readonly mode: ErasureMode; readonly ts: number },
): Promise<void> {
  const { userNid, mode, ts } = mark
  await putUserErased(tx, userNid, { ts, mode })
  await bumpEpoch(tx, 'erasures')
  tx.onCommit(() => deps.erased.add(userNid, { erasedTs: ts, mode, returnedTs: undefined }))
  tx.afterCommit(() => deps.changes.announce({ everything: true }))
}
