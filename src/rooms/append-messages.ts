import type { RoomEvent } from '../protocol/event.ts'
import type { Tx } from '../store/database.ts'
import { Stale } from '../store/errors.ts'
import { insertEventRun } from '../store/events.ts'
import { putForwardExtremities } from '../store/extremities.ts'
import { advanceRoom } from '../store/rooms.ts'
import { touchSummary } from '../store/summaries.ts'
import type { AppendDeps } from './append.ts'
import { keepFacts } from './append.ts'
import { movesRoomUp, notifiesByDefault } from './content-facts.ts'
import { storable } from './event-numbers.ts'
import { newRow } from './new-row.ts'
import type { Room } from './room.ts'

/** An ordinary message of ours, judged: no state, no redaction, and it relates to no other event. */
export interface Message {
  readonly event: RoomEvent
  readonly senderNid: number
}

/**
 * Stores messages of ours of which each names the one before it, the first all of the room's extremities: all that
 * `append` does for each of them, and what only the last one decides once. Nobody of the senders is erased. Gives the row
 * ids. Throws Stale when the room is no longer at the revision given.
 */
export async function appendMessages(
  tx: Tx,
  deps: AppendDeps,
  room: Room,
  messages: readonly Message[],
): Promise<number[]> {
  const now = deps.clock.now()
  const group = room.chain[0]?.groupNid ?? 0
  let { nextOrd, notifying } = room
  const placed = messages.map(({ event, senderNid }) => {
    const notifyOrd = notifiesByDefault(event) ? ++notifying : undefined
    return { event, senderNid, ord: nextOrd++, pos: tx.nextPosition(), notifyOrd }
  })
  const rows = placed.map(({ event, senderNid, ord, pos, notifyOrd }) =>
    newRow(tx, room, event, {
      state_key_nid: null,
      sender_nid: senderNid,
      ord,
      pos,
      state_before: group,
      state_after: group,
      rejected: null,
      soft_failed: false,
      backfilled: false,
      local: true,
      pruned_ts: null,
      thread_id: null,
      notify_ord: notifyOrd ?? null,
      auth_edges: null,
      received_ts: now,
    }),
  )
  const nids = await insertEventRun(tx, rows)
  const last = placed.at(-1)
  const lastNid = nids.at(-1)
  if (last === undefined || lastNid === undefined) return nids

  const removed = room.extremities.map(({ eventNid }) => eventNid)
  await putForwardExtremities(tx, { roomNid: room.nid, removed, added: lastNid })
  for (const [i, { event, senderNid }] of placed.entries())
    await keepFacts(tx, room, event, nids[i] as number, senderNid, undefined)
  const moving = placed.findLast(({ event }) => movesRoomUp(event))
  if (moving !== undefined)
    await touchSummary(tx, room.nid, { ...moving, bumpTs: storable(moving.event.originServerTs) })
  if (moving !== last) await touchSummary(tx, room.nid, { ...last, bumpTs: undefined })

  const { eventId, depth } = last.event
  const next: Room = {
    ...room,
    revision: room.revision + 1,
    extremities: [{ eventNid: lastNid, eventId, depth, stateAfter: group }],
    nextOrd,
    lastLocalNid: lastNid,
    notifying,
  }
  const { revision } = room
  if (!(await advanceRoom(tx, { ...next, roomNid: room.nid, revision }))) throw new Stale('the room moved')
  deps.roomCache.put(tx, next)
  for (const [i, { event, senderNid, ord, notifyOrd }] of placed.entries())
    await deps.notify?.(tx, {
      room: next,
      event,
      eventNid: nids[i] as number,
      senderNid,
      ord,
      threadId: undefined,
      notifyOrd,
    })
  tx.afterCommit(() => {
    deps.changes.announce({ roomNids: [room.nid], userNids: [] })
    if (next.hosts.length > 0) deps.outbound.wake(next.hosts)
  })
  return nids
}
