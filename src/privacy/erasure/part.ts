import type { RoomId } from '../../protocol/ids.ts'
import {
  claimRoomToLeave,
  countHostsBehind,
  listErasureRooms,
  listRoomsToLeave,
  listAllErasureRooms,
  putErasureRoom,
} from '../../store/erasure-rooms.ts'
import type { ErasureRoom } from '../../store/erasure-rooms.ts'
import { findErasure, findUserOfErasure } from '../../store/erasures.ts'
import { backoffMs } from '../../util/backoff.ts'
import type { PrivacyDeps } from '../deps.ts'
import type { Job, StepResult } from './job.ts'
import { LostLease, writeFor } from './job.ts'
import { partFromRoom } from './part-from-room.ts'

const dayMs = 86_400_000
/** The longest wait for servers to acknowledge the redactions of a room. */
const acknowledgeMs = dayMs
/** From here on what could not be done over the network is given up. */
export const lastTryMs = 180 * dayMs

/**
 * PART (ERASURE.md section 5): leaves every room, once the servers that answer have the redactions, or a day has passed.
 * A room that cannot be left is tried again beside the steps that follow.
 */
export async function part(deps: PrivacyDeps, job: Job): Promise<StepResult> {
  let waitUntilTs = Infinity
  const rooms = await deps.database.read(async (conn) => [
    ...(await listErasureRooms(conn, job.nid, 'pending')),
    ...(await listErasureRooms(conn, job.nid, 'redacted')),
  ])
  for (const room of rooms) {
    const until = await waitOf(deps, room)
    if (until === undefined) await leaveOne(deps, job, room)
    else waitUntilTs = Math.min(waitUntilTs, until)
  }
  return waitUntilTs === Infinity ? 'done' : { waitUntilTs }
}

/** When to look again whether the redactions have arrived; undefined where there is nothing to wait for. */
async function waitOf(deps: PrivacyDeps, room: ErasureRoom): Promise<number | undefined> {
  const { last_redaction_nid: eventNid, not_before_ts: sinceTs } = room
  const now = deps.clock.now()
  if (eventNid === null || now >= sinceTs + acknowledgeMs) return undefined
  if ((await deps.database.read((conn) => countHostsBehind(conn, room.room_nid, eventNid))) === 0) return undefined
  return now + Math.min(60_000, Math.max(250, Math.trunc((now - sinceTs) / 4)))
}

async function leaveOne(deps: PrivacyDeps, job: Job, room: ErasureRoom): Promise<void> {
  const { userId, userNid } = job
  const { room_nid: roomNid } = room
  let error: string | null = null
  try {
    await partFromRoom(deps, { userId, userNid, roomId: room.room_id as RoomId, roomNid })
  } catch (thrown) {
    if (thrown instanceof LostLease || job.signal.aborted) throw thrown
    error = nameOf(thrown)
  }
  const state = error === null ? 'done' : 'leaving'
  const notBeforeTs = deps.clock.now() + (error === null ? 0 : retryMs(1))
  await writeFor(deps, job, (tx) =>
    putErasureRoom(tx, job.nid, roomNid, { state, notBeforeTs, attempts: error === null ? 0 : 1, error }),
  )
}

function nameOf(thrown: unknown): string {
  if (thrown instanceof Error && 'errcode' in thrown && typeof thrown.errcode === 'string') return thrown.errcode
  return thrown instanceof Error ? thrown.name : 'Error'
}

const retryMs = (attempts: number) => backoffMs({ initialMs: 10 * 60_000, maxMs: 7 * dayMs }, attempts)

/** Tries rooms again that could not be left; after 180 days they are given up. */
export async function leaveLateRooms(deps: PrivacyDeps): Promise<void> {
  const now = deps.clock.now()
  for (const { erasure_nid: nid, room_nid: roomNid } of await deps.database.read((conn) =>
    listRoomsToLeave(conn, now),
  )) {
    if (!(await deps.database.write((tx) => claimRoomToLeave(tx, nid, roomNid, now, now + retryMs(1))))) continue
    const found = await deps.database.read(async (conn) => {
      const erasure = await findErasure(conn, nid)
      const userId = erasure && (await findUserOfErasure(conn, erasure.user_nid))
      const room = (await listAllErasureRooms(conn, nid)).find((each) => each.room_nid === roomNid)
      return erasure && userId && room ? { erasure, userId, room } : undefined
    })
    if (found === undefined) continue
    const { erasure, userId, room } = found
    const attempts = room.attempts + 1
    let error: string | null = null
    try {
      await partFromRoom(deps, {
        userId,
        userNid: erasure.user_nid,
        roomId: room.room_id as RoomId,
        roomNid,
        isRetry: true,
      })
    } catch (thrown) {
      error = nameOf(thrown)
    }
    const isOver = now >= (erasure.locked_ts ?? now) + lastTryMs
    const state = error === null ? 'done' : isOver ? 'failed' : 'leaving'
    await deps.database.write((tx) =>
      putErasureRoom(tx, nid, roomNid, { state, notBeforeTs: now + retryMs(attempts), attempts, error }),
    )
  }
}
