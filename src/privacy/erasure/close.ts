import { countUnfinishedWork } from '../../store/erasure-events.ts'
import { deleteAllEdusOfUser } from '../../store/scrub.ts'
import type { PrivacyDeps } from '../deps.ts'
import { addDeleted } from './counts.ts'
import type { Job, StepResult } from './job.ts'
import { writeFor } from './job.ts'
import { lastTryMs } from './part.ts'

const shortestWaitMs = 5_000
const longestWaitMs = 3_600_000

/** SETTLED to CLOSED: when every server and room is in its final state. The working rows go when the state is CLOSED. */
export async function close(deps: PrivacyDeps, job: Job): Promise<StepResult> {
  const now = deps.clock.now()
  const endTs = job.lockedTs + lastTryMs
  const left = await deps.database.read((conn) => countUnfinishedWork(conn, job.nid, now, endTs))
  // as long again as it has taken so far: what is left may be done in a moment, or wait for a server that is away for days
  if (left > 0) return { waitUntilTs: now + Math.min(longestWaitMs, Math.max(shortestWaitMs, now - job.lockedTs)) }
  await writeFor(deps, job, async (tx) => {
    await addDeleted(tx, job.nid, { outbound_edus: await deleteAllEdusOfUser(tx, job.userNid) })
  })
  return 'done'
}
