import type { RoomId } from '../../protocol/ids.ts'
import { listErasureEvents, putEventOutcomes } from '../../store/erasure-events.ts'
import { listAllErasureRooms } from '../../store/erasure-rooms.ts'
import type { ErasureRoom } from '../../store/erasure-rooms.ts'
import { room as roomLock } from '../../store/locks.ts'
import type { PrivacyDeps } from '../deps.ts'
import { Holders } from './holders.ts'
import type { Job, StepResult } from './job.ts'
import { writeFor } from './job.ts'
import { pruneStored } from './prune.ts'
import { sendRedactions } from './send-redactions.ts'

/** Events pruned by one write: a few statements, each for all of them. */
const slice = 100

/**
 * REDACT (ERASURE.md section 5): every stored event is pruned here first, then redactions are sent where the person is
 * still joined.
 */
export async function redact(deps: PrivacyDeps, job: Job): Promise<StepResult> {
  await pruneAtRest(deps, job)
  deps.failpoint?.('erasure:in:REDACT')
  await sendRedactions(deps, job)
  return 'done'
}

/** Prunes all that was noted in the census; in `forget` what somebody holds stays, and is left as `pending`. */
export async function pruneAtRest(deps: PrivacyDeps, job: Job): Promise<void> {
  const rooms = await deps.database.read((conn) => listAllErasureRooms(conn, job.nid))
  for (const room of rooms) await pruneRoom(deps, job, room)
}

async function pruneRoom(
  deps: PrivacyDeps,
  job: Job,
  { room_nid: roomNid, room_id: roomId }: ErasureRoom,
): Promise<void> {
  let after: number | undefined = 0
  while (after !== undefined) {
    const from: number = after
    after = await writeFor(deps, job, (tx) => pruneSlice(tx, deps, job, { roomNid, roomId: roomId as RoomId, from }), [
      roomLock(roomNid),
    ])
  }
}

async function pruneSlice(
  tx: Parameters<Parameters<PrivacyDeps['database']['write']>[0]>[0],
  deps: PrivacyDeps,
  job: Job,
  { roomNid, roomId, from }: { roomNid: number; roomId: RoomId; from: number },
): Promise<number | undefined> {
  const rows = await listErasureEvents(tx, { nid: job.nid, roomNid, outcome: 'pending', after: from, most: slice })
  if (rows.length === 0) return undefined
  const room = await deps.roomCache.forWrite(tx, roomId)
  const verdicts = await pruneStored(tx, deps, room, rows, {
    userNid: job.userNid,
    mark: { erasedTs: job.lockedTs },
    holders: job.mode === 'forget' ? await Holders.of(deps, tx, room, job.userNid) : undefined,
    sendsRedactions: job.mode === 'redact',
  })
  for (const [outcome, nids] of verdicts) if (outcome !== 'pending') await putEventOutcomes(tx, job.nid, outcome, nids)
  return rows.length < slice ? undefined : rows.at(-1)?.event_nid
}
