import {
  insertErasureEvents,
  insertErasureEventsAbout,
  insertErasurePeers,
  insertErasureRooms,
  putErasureRoomCounts,
} from '../../store/erasure-census.ts'
import type { EventsCursor } from '../../store/erasure-census.ts'
import { insertErasureMedia } from '../../store/erasure-media.ts'
import { putServer } from '../../store/servers.ts'
import { findStateKeyNid } from '../../store/state-keys.ts'
import type { PrivacyDeps } from '../deps.ts'
import type { Job, StepResult } from './job.ts'
import { writeFor } from './job.ts'

/** Events noted by one write. */
const slice = 1_000

/**
 * CENSUS (ERASURE.md section 5): what there is of the person, before anything of it is left. It may be repeated: what is
 * noted already stays as it is.
 */
export async function takeCensus(deps: PrivacyDeps, job: Job): Promise<StepResult> {
  const { nid, userNid, userId } = job
  await writeFor(deps, job, async (tx) => {
    const keyNid = await findStateKeyNid(tx, { type: 'm.room.member', stateKey: userId })
    await insertErasureRooms(tx, nid, userNid, keyNid)
    await insertErasureMedia(tx, nid, userNid)
    if (keyNid !== undefined) await insertErasureEventsAbout(tx, nid, keyNid)
  })
  let cursor: EventsCursor | undefined = { roomNid: 0, eventNid: 0 }
  while (cursor !== undefined) {
    const after: EventsCursor = cursor
    cursor = await writeFor(deps, job, (tx) => insertErasureEvents(tx, nid, userNid, after, slice))
  }
  await writeFor(deps, job, (tx) => putErasureRoomCounts(tx, nid))
  await countPeers(deps, job)
  return 'done'
}

/** Notes which servers are to be told; again before FORWARD, for those that came since. */
export async function countPeers(deps: PrivacyDeps, job: Job): Promise<void> {
  const { forward } = deps.config.erasure
  if (!forward || !deps.config.federation.enabled) return
  await writeFor(deps, job, async (tx) => {
    const ownNid = await putServer(tx, deps.serverName)
    await insertErasurePeers(tx, { nid: job.nid, userNid: job.userNid, ownNid, ts: deps.clock.now() })
  })
}
