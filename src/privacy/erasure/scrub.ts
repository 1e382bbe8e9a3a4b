import { putErasureScrubbed } from '../../store/erasures.ts'
import {
  deleteEdusOfUser,
  deleteRowsOfSubject,
  pruneAliasesOfUser,
  pruneMembershipsOfUser,
  scrubbedTables,
} from '../../store/scrub.ts'
import type { PrivacyDeps } from '../deps.ts'
import { addDeleted } from './counts.ts'
import type { Job, StepResult } from './job.ts'
import { writeFor } from './job.ts'
import { scrubStrippedState } from './scrub-stripped.ts'

/** Rows deleted by one write. */
const slice = 200

/** SCRUB (ERASURE.md section 5): everything that is no event, by the data map, and at once. Then it waits for `erasure.delay`. */
export async function scrub(deps: PrivacyDeps, job: Job): Promise<StepResult> {
  for (const table of scrubbedTables) await emptyTable(deps, job, table)
  await writeFor(deps, job, async (tx) => {
    await pruneMembershipsOfUser(tx, job.userNid)
    await pruneAliasesOfUser(tx, job.userNid)
    const edus = await deleteEdusOfUser(tx, job.userNid, job.lockedTs)
    await addDeleted(tx, job.nid, { outbound_edus: edus })
    await scrubStrippedState(tx, job.userId)
    await putErasureScrubbed(tx, job.nid, deps.clock.now())
  })
  return deps.clock.now() < job.notBeforeTs ? { waitUntilTs: job.notBeforeTs } : 'done'
}

async function emptyTable(deps: PrivacyDeps, job: Job, table: string): Promise<void> {
  let deleted = slice
  while (deleted >= slice)
    deleted = await writeFor(deps, job, async (tx) => {
      const n = await deleteRowsOfSubject(tx, table, job, slice)
      await addDeleted(tx, job.nid, { [table]: n })
      return n
    })
}
