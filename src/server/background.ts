import { finishDeactivations, sweepAccounts } from '../accounts/sweep.ts'
import type { Deps } from '../http/deps.ts'
import { sweepReleased } from '../media/released.ts'
import { sweepBlobs, sweepRemoteMedia } from '../media/remove.ts'
import { sweepReservations } from '../media/upload.ts'
import { resumeStaged } from '../rooms/staged-events.ts'
import type { WaitingEvents } from '../rooms/waiting-events.ts'
import type { Repeated } from './repeat.ts'

const minuteMs = 60_000

/** Begins what goes on beside requests: what a crash left undone at once, sweeps from time to time. */
export function startBackground(deps: Deps, repeated: Repeated, waiting: WaitingEvents): void {
  repeated.once('events that waited at the last stop', () => resumeStaged(deps))
  repeated.add('events that wait for others', 10 * minuteMs, () => waiting.load())
  repeated.once('deactivated accounts', () => finishDeactivations(deps, deps.departure))
  repeated.add('deactivated accounts', 30 * minuteMs, () => finishDeactivations(deps, deps.departure))
  repeated.add('sweep of accounts', 5 * minuteMs, () => sweepAccounts(deps))
  repeated.add('sweep of reserved media', 60 * minuteMs, () => sweepReservations(deps))
  repeated.add('sweep of remote media', 60 * minuteMs, () => sweepRemoteMedia(deps))
  // no promise waits for it: a certificate of erasure is issued after a sweep of its own
  repeated.once('files that a crash left behind', () => sweepBlobs(deps, deps.stopping))
  repeated.once('released media', () => sweepReleased(deps))
  repeated.add('sweep of released media', 60 * minuteMs, () => sweepReleased(deps))
}
