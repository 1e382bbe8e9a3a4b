import type { RoomId, UserId } from '../protocol/ids.ts'
import type { Conn } from '../store/database.ts'
import { unthreaded } from '../store/receipts.ts'
import { countPrunedNotifying, findNotifyOrdAt, mainThread, mostCounted } from '../store/unread.ts'
import type { Deviation } from '../store/unread.ts'
import type { UnreadCounts } from '../store/unread-rooms.ts'
import { groupBy } from '../util/group-by.ts'
import type { DeliveryDeps } from './deps.ts'
import { isMuted } from './muted.ts'
import { unreadReads } from './unread-reads.ts'
import type { ReadUpTo, UnreadReads } from './unread-reads.ts'

/** Unread notifications of a room or of one thread of it. */
export interface Unread {
  readonly notifications: number
  readonly highlights: number
}

/** Unread notifications of a room by thread; the main timeline is `main`, threads without any are missing. */
export type RoomUnread = ReadonlyMap<string, Unread>

/** What counting needs to know of a room. */
export interface CountedRoom {
  readonly nid: number
  readonly id: RoomId
  readonly lastOrd: number
  readonly memberCount: number
  readonly isEncrypted: boolean
  /** place of the user's own membership */
  readonly memberOrd: number | null
}

type Deps = Pick<DeliveryDeps, 'ownRules'>

/**
 * Unread counts of rooms for one user (client-server API, "Receiving notifications"). Read up to is the furthest of
 * `m.read`, `m.read.private` and the user's own last event, thread by thread; an unthreaded receipt covers all threads.
 * Events of `ignored` users (row ids) do not count. `reads`: where the user's were read together with others'.
 */
export async function listUnread(
  deps: Deps,
  conn: Conn,
  user: { readonly userNid: number; readonly userId: UserId },
  rooms: readonly CountedRoom[],
  ignored: ReadonlySet<number>,
  reads: UnreadReads = unreadReads(conn),
): Promise<Map<number, RoomUnread>> {
  const found = new Map<number, RoomUnread>()
  if (rooms.length === 0) return found
  const nids = rooms.map(({ nid }) => nid)
  const receipts = groupBy(await reads.receipts(user.userNid, nids), ({ room_nid }) => room_nid)
  const deviations = groupBy(await reads.deviations(user.userNid, nids), ({ room_nid }) => room_nid)
  const rules = (await deps.ownRules.of(conn, [user])).get(user.userNid)
  const unread = new Map<number, ReadUpTo>()
  for (const room of rooms) {
    const floors = new Map<string, number>()
    for (const { thread_id, ord } of receipts.get(room.nid) ?? [])
      floors.set(thread_id, Math.max(ord, floors.get(thread_id) ?? ord))
    // who never said how far they read has not read what came after their coming in
    const base = floors.get(unthreaded) ?? room.memberOrd ?? 0
    if (room.lastOrd > base) unread.set(room.nid, { base, floors })
  }
  if (unread.size === 0) return found
  const counted = await reads.counts(user.userNid, unread, ignored)
  for (const room of rooms) {
    const [read, known] = [unread.get(room.nid), counted.get(room.nid)]
    if (read === undefined || known === undefined) continue
    const counts = await countRoom(conn, room, read, known)
    const muted = rules !== undefined && isMuted(rules, room)
    found.set(room.nid, withDeviations(counts, deviations.get(room.nid) ?? [], ignored, muted))
  }
  return found
}

/** All threads of a room together. */
export function sumUnread(unread: RoomUnread): Unread {
  let [notifications, highlights] = [0, 0]
  for (const each of unread.values()) {
    notifications += each.notifications
    highlights += each.highlights
  }
  return { notifications, highlights }
}

interface Counts {
  readonly byThread: ReadonlyMap<string, number>
  floorOf(thread: string): number
}

async function countRoom(
  conn: Conn,
  { nid: roomNid }: CountedRoom,
  { base, floors }: ReadUpTo,
  { byThread, own }: UnreadCounts,
): Promise<Counts> {
  const floorOf = (thread: string) => Math.max(base, floors.get(thread) ?? base, own.get(thread) ?? base)
  if ((byThread.get(mainThread) ?? 0) <= mostCounted) return { byThread, floorOf }
  // none of these are the user's own: the floor is at the last of those
  const floor = floorOf(mainThread)
  const total = await findNotifyOrdAt(conn, roomNid, Number.MAX_SAFE_INTEGER)
  const isRead = await findNotifyOrdAt(conn, roomNid, floor)
  const gone = await countPrunedNotifying(conn, roomNid, floor)
  return { byThread: new Map(byThread).set(mainThread, Math.max(0, total - isRead - gone)), floorOf }
}

function withDeviations(
  { byThread, floorOf }: Counts,
  deviations: readonly Deviation[],
  ignored: ReadonlySet<number>,
  muted: boolean,
): RoomUnread {
  const sums = new Map<string, { notifications: number; highlights: number }>()
  const at = (thread: string) => {
    let sum = sums.get(thread)
    if (sum === undefined) sums.set(thread, (sum = { notifications: 0, highlights: 0 }))
    return sum
  }
  // of a muted room only what notifies nevertheless is written down
  if (!muted) for (const [thread, n] of byThread) if (n > 0) at(thread).notifications = n
  for (const { thread_id, ord, highlight, differs, sender_nid } of deviations) {
    if (ord <= floorOf(thread_id) || ignored.has(sender_nid)) continue
    const sum = at(thread_id)
    sum.notifications += muted ? Number(differs >= 0) : differs
    sum.highlights += Number(highlight)
  }
  for (const [thread, sum] of sums) {
    sum.notifications = Math.max(0, sum.notifications)
    if (sum.notifications === 0 && sum.highlights === 0) sums.delete(thread)
  }
  return sums
}
