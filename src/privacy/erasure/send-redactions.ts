import { MatrixError } from '../../protocol/errors.ts'
import type { EventId, RoomId } from '../../protocol/ids.ts'
import { powerLevelsOf } from '../../protocol/power-levels.ts'
import { isServerAllowed } from '../../protocol/server-acl.ts'
import { memberOf } from '../../protocol/json.ts'
import { appendLocal } from '../../rooms/append-local.ts'
import type { Room } from '../../rooms/room.ts'
import type { Conn, Tx } from '../../store/database.ts'
import { listErasureEvents, putEventOutcomes, putRoomOutcome } from '../../store/erasure-events.ts'
import type { EventOutcome } from '../../store/erasure-events.ts'
import { listErasureRooms, putErasureRoom, putErasureRoomRedaction } from '../../store/erasure-rooms.ts'
import type { ErasureRoom } from '../../store/erasure-rooms.ts'
import type { EventRow } from '../../store/events.ts'
import { findEventById } from '../../store/events.ts'
import { room as roomLock, user as userLock } from '../../store/locks.ts'
import { withRetries } from '../../store/retries.ts'
import type { PrivacyDeps } from '../deps.ts'
import type { Job } from './job.ts'
import { writeFor } from './job.ts'
import { bucketFor, waitForTurn } from './pace.ts'

/** Rooms worked on at once: the rate of one room is only a part of the whole. */
const roomsAtOnce = 8
/** Redactions sent by one write, where the rate allows so many at once. */
const page = 50

/** Sends the redactions that can be sent, smallest rooms first, edits and replies before the rest. */
export async function sendRedactions(deps: PrivacyDeps, job: Job): Promise<void> {
  const waiting = await deps.database.read((conn) => listErasureRooms(conn, job.nid, 'pending'))
  const next = waiting[Symbol.iterator]()
  const work = async () => {
    for (let { done, value } = next.next(); !done; { done, value } = next.next())
      await redactRoom(deps, job, value as ErasureRoom)
  }
  await Promise.all(Array.from({ length: Math.min(roomsAtOnce, waiting.length) }, work))
}

async function redactRoom(deps: PrivacyDeps, job: Job, { room_nid: roomNid, room_id: id }: ErasureRoom): Promise<void> {
  const roomId = id as RoomId
  const bucket = bucketFor(deps.config.erasure.rates.perRoom, deps.clock)
  for (const outcome of ['first', 'rest'] as const) {
    for (;;) {
      const rows = await deps.database.read((conn) =>
        listErasureEvents(conn, { nid: job.nid, roomNid, outcome, after: 0, most: page }),
      )
      if (rows.length === 0) break
      for (const row of rows) {
        await waitForTurn(deps.clock, [bucket, deps.eraser.bucket], job.signal)
        const refused = await redactOne(deps, job, { roomNid, roomId }, row)
        if (refused === undefined) continue
        await writeFor(deps, job, (tx) => putRoomOutcome(tx, job.nid, roomNid, refused))
        break
      }
    }
  }
  await writeFor(deps, job, (tx) =>
    putErasureRoom(tx, job.nid, roomNid, {
      state: 'redacted',
      notBeforeTs: deps.clock.now(),
      attempts: 0,
      error: null,
    }),
  )
}

/** Sends one redaction; gives why none can be sent in this room, where that is so. */
async function redactOne(
  deps: PrivacyDeps,
  job: Job,
  { roomNid, roomId }: { roomNid: number; roomId: RoomId },
  { event_nid: eventNid, event_id: eventId }: EventRow,
): Promise<EventOutcome | undefined> {
  const send = async (tx: Tx): Promise<EventOutcome | undefined> => {
    const target = await findEventById(tx, eventId as EventId)
    if (target === undefined || target.redacted_by !== null) {
      await putEventOutcomes(tx, job.nid, 'already', [eventNid])
      return undefined
    }
    const room = await deps.roomCache.forWrite(tx, roomId)
    const obstacle = await obstacleIn(tx, deps, job, room)
    if (obstacle !== undefined) return obstacle
    const draft = { type: 'm.room.redaction', content: {}, sender: job.userId, redacts: eventId as EventId }
    const sent = await appendLocal(tx, deps, room, draft, { mayBeDeactivated: true })
    await putEventOutcomes(tx, job.nid, 'redacted', [eventNid])
    await putErasureRoomRedaction(tx, job.nid, roomNid, sent.eventNid)
    return undefined
  }
  try {
    return await withRetries(5, () => writeFor(deps, job, send, [userLock(job.userNid), roomLock(roomNid)]))
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_FORBIDDEN') return 'not_permitted'
    throw error
  }
}

/** Why the person cannot redact in a room. */
export async function obstacleIn(
  conn: Conn,
  deps: Pick<PrivacyDeps, 'roomCache' | 'serverName'>,
  job: Pick<Job, 'userId'>,
  room: Room,
): Promise<EventOutcome | undefined> {
  const [create, levels, member, acl] = await deps.roomCache.stateEvents(conn, room, [
    { type: 'm.room.create', stateKey: '' },
    { type: 'm.room.power_levels', stateKey: '' },
    { type: 'm.room.member', stateKey: job.userId },
    { type: 'm.room.server_acl', stateKey: '' },
  ])
  if (create === undefined || member === undefined || memberOf(member.content, 'membership') !== 'join')
    return 'not_joined'
  if (!isServerAllowed(deps.serverName, acl?.content)) return 'acl_denied'
  const power = powerLevelsOf(create, levels)
  return power.levelOf(job.userId) < power.requiredFor('m.room.redaction', false) ? 'not_permitted' : undefined
}
