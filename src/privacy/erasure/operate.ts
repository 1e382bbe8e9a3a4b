import { MatrixError } from '../../protocol/errors.ts'
import { insertAudit } from '../../store/audit.ts'
import type { Tx } from '../../store/database.ts'
import { deleteErasureWork } from '../../store/erasure-events.ts'
import { restoreMediaOfUser } from '../../store/erasure-media.ts'
import { retryErasureWork } from '../../store/erasure-peers.ts'
import { deleteUserErased } from '../../store/erased-marks.ts'
import { bumpEpoch } from '../../store/epochs.ts'
import { findErasure, findUserOfErasure, putErasureState } from '../../store/erasures.ts'
import type { ErasureRow, ErasureState } from '../../store/erasures.ts'
import type { PrivacyDeps } from '../deps.ts'
import { isCancellable, stepOf } from './states.ts'

type Deps = Pick<PrivacyDeps, 'database' | 'clock' | 'journal' | 'erased' | 'changes' | 'eraser'>

/** Who decided, and why. */
export interface OperatorDecision {
  readonly actor: string
  readonly reason: string
}

/**
 * Calls an erasure off, until REDACT: the job and the pruning end; the account stays deactivated and its name taken.
 * Throws `M_BAD_STATE` afterwards.
 */
export async function cancelErasure(deps: Deps, row: ErasureRow, decision: OperatorDecision): Promise<void> {
  const user = await deps.database.read((conn) => findUserOfErasure(conn, row.user_nid))
  if (user === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such erasure')
  await deps.eraser.alone(user, async () => {
    const fresh = await deps.database.read((conn) => findErasure(conn, row.erasure_nid))
    if (fresh === undefined || !isCancellable(fresh)) throw tooLate()
    const ts = deps.clock.now()
    const record = await deps.journal.begin(
      { kind: 'cancellation', ts, user, id: row.id },
      async (conn) => (await findErasure(conn, row.erasure_nid))?.state === 'CANCELLED',
    )
    try {
      await deps.database.write(async (tx) => {
        const now = await findErasure(tx, row.erasure_nid)
        if (now === undefined || !isCancellable(now)) throw tooLate()
        await record.inTransaction(tx)
        await cancelStored(tx, deps, now)
        await insertAudit(tx, {
          ts,
          actor: decision.actor,
          action: 'erasure.cancel',
          target: user,
          reason: decision.reason,
        })
      })
    } catch (error) {
      await record.abandoned()
      throw error
    }
  })
}

const tooLate = () => new MatrixError('M_BAD_STATE', 'This erasure can no longer be called off')

/** What a cancellation does, in the caller's transaction. */
export async function cancelStored(
  tx: Tx,
  deps: Pick<PrivacyDeps, 'erased' | 'changes'>,
  row: ErasureRow,
): Promise<void> {
  if (!isCancellable(row)) return
  const { erasure_nid: nid, user_nid: userNid } = row
  await putErasureState(tx, nid, 'CANCELLED', null)
  await deleteUserErased(tx, userNid)
  await restoreMediaOfUser(tx, userNid, row.locked_ts ?? row.requested_ts)
  await deleteErasureWork(tx, nid)
  await bumpEpoch(tx, 'erasures')
  tx.onCommit(() => deps.erased.remove(userNid))
  tx.afterCommit(() => deps.changes.announce({ everything: true }))
}

/** A legal hold: nothing more is deleted until it is released; the pruning stays (P19). Throws `M_BAD_STATE`. */
export async function holdErasure(deps: Deps, row: ErasureRow, decision: OperatorDecision): Promise<void> {
  await change(deps, row, decision, 'erasure.hold', (now) => {
    const step = stepOf(now)
    if (step === undefined || step === 'SETTLED')
      throw new MatrixError('M_BAD_STATE', 'There is nothing left to hold back')
    return ['HELD', step]
  })
}

/** Ends a legal hold: the job goes on where it was. Throws `M_BAD_STATE`. */
export async function releaseErasure(deps: Deps, row: ErasureRow, decision: OperatorDecision): Promise<void> {
  await change(deps, row, decision, 'erasure.release', (now) => {
    if (now.state !== 'HELD') throw new MatrixError('M_BAD_STATE', 'This erasure is not held')
    return [now.resume_state as ErasureState, null]
  })
}

/** Tries everything again that waits for another server, also what was refused. */
export async function retryErasure(deps: Deps, row: ErasureRow, decision: OperatorDecision): Promise<void> {
  const now = deps.clock.now()
  await deps.database.write(async (tx) => {
    await retryErasureWork(tx, row.erasure_nid, now)
    if (row.state === 'CLOSED') await putErasureState(tx, row.erasure_nid, 'SETTLED', null)
    await audit(tx, deps, row, decision, 'erasure.retry')
  })
  deps.eraser.wake()
}

async function change(
  deps: Deps,
  row: ErasureRow,
  decision: OperatorDecision,
  action: string,
  next: (now: ErasureRow) => [ErasureState, ErasureState | null],
): Promise<void> {
  await deps.database.write(async (tx) => {
    const now = await findErasure(tx, row.erasure_nid)
    if (now === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such erasure')
    await putErasureState(tx, now.erasure_nid, ...next(now))
    await audit(tx, deps, now, decision, action)
  })
  deps.eraser.wake()
}

async function audit(
  tx: Tx,
  deps: Deps,
  row: ErasureRow,
  { actor, reason }: OperatorDecision,
  action: string,
): Promise<void> {
  const target = (await findUserOfErasure(tx, row.user_nid)) ?? null
  await insertAudit(tx, { ts: deps.clock.now(), actor, action, target, reason })
}
