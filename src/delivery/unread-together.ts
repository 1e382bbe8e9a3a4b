import type { Conn } from '../store/database.ts'
import type { OwnReceipt } from '../store/receipts.ts'
import { unthreaded } from '../store/receipts.ts'
import { mainThread, mostCounted } from '../store/unread.ts'
import type { UnreadCounts } from '../store/unread-rooms.ts'
import { listNotifying, listPlaceDeviations, listPlaceReceipts, listPlaceThreads } from '../store/unread-places.ts'
import type { NotifyingEvent } from '../store/unread-places.ts'
import { groupBy } from '../util/group-by.ts'
import type { CountedRoom } from './unread.ts'
import { unreadReads } from './unread-reads.ts'
import type { ReadUpTo, UnreadReads } from './unread-reads.ts'

/** So many notifying events of a room are looked through for its readers; what reaches further back is counted alone. */
const mostNotifying = 750

/** A user in a room. */
interface Place {
  readonly userNid: number
  readonly room: CountedRoom
}

/**
 * Reads what the unread counts of several users in their rooms are made of: a few statements for all, and two for each
 * room. It answers as `unreadReads` would in the same snapshot.
 */
export async function readUnreadTogether(conn: Conn, places: readonly Place[]): Promise<UnreadReads> {
  const alone = unreadReads(conn)
  if (places.length === 0) return alone
  const pairs = places.map(({ userNid, room }) => [userNid, room.nid] as const)
  const receipts = groupBy(await listPlaceReceipts(conn, pairs), ({ user_nid }) => user_nid)
  const deviations = groupBy(await listPlaceDeviations(conn, pairs), ({ user_nid }) => user_nid)
  const own = new Map<string, ReadonlyMap<string, number>>()
  for (const row of await listPlaceThreads(conn, pairs)) own.set(`${row.user_nid} ${row.room_nid}`, row.ordByThread)
  const notifying = new Map<number, Notifying>()
  for (const [roomNid, base] of lowestFloors(places, receipts))
    notifying.set(roomNid, notifyingOf(await listNotifying(conn, roomNid, base, mostNotifying)))
  return {
    receipts: async (userNid) => receipts.get(userNid) ?? [],
    deviations: async (userNid) => deviations.get(userNid) ?? [],
    counts: async (userNid, rooms, ignored) => {
      const found = new Map<number, UnreadCounts>()
      const missing = new Map<number, ReadUpTo>()
      for (const [roomNid, read] of rooms) {
        const ownThreads = own.get(`${userNid} ${roomNid}`)
        const events = notifying.get(roomNid)
        const counted = ownThreads && events && countAmong(events, { userNid, own: ownThreads, read, ignored })
        if (counted === undefined) missing.set(roomNid, read)
        else found.set(roomNid, counted)
      }
      if (missing.size > 0)
        for (const [roomNid, counted] of await alone.counts(userNid, missing, ignored)) found.set(roomNid, counted)
      return found
    },
  }
}

/** By room, the place after which somebody may have something unread; rooms without such a reader are missing. */
function lowestFloors(places: readonly Place[], receipts: ReadonlyMap<number, readonly OwnReceipt[]>) {
  const lowest = new Map<number, number>()
  for (const { userNid, room } of places) {
    const read = (receipts.get(userNid) ?? []).filter(
      (row) => row.room_nid === room.nid && row.thread_id === unthreaded,
    )
    const base = read.length === 0 ? (room.memberOrd ?? 0) : Math.max(...read.map(({ ord }) => ord))
    if (base < room.lastOrd) lowest.set(room.nid, Math.min(base, lowest.get(room.nid) ?? base))
  }
  return lowest
}

interface Notifying {
  readonly main: readonly NotifyingEvent[]
  readonly threads: readonly NotifyingEvent[]
  /** older ones were not read, in any of the two */
  readonly knownFrom: { readonly main: number; readonly threads: number }
}

function notifyingOf(events: readonly NotifyingEvent[]): Notifying {
  const main = events.filter(({ thread_id }) => thread_id === null)
  const threads = events.filter(({ thread_id }) => thread_id !== null)
  const from = (list: readonly NotifyingEvent[]) =>
    list.length < mostNotifying ? -Infinity : Math.min(...list.map(({ ord }) => ord))
  return { main, threads, knownFrom: { main: from(main), threads: from(threads) } }
}

/** Undefined where the events do not reach back far enough to say it. */
function countAmong(
  { main, threads, knownFrom }: Notifying,
  reader: {
    readonly userNid: number
    readonly own: ReadonlyMap<string, number>
    readonly read: ReadUpTo
    readonly ignored: ReadonlySet<number>
  },
): UnreadCounts | undefined {
  const { userNid, own, read, ignored } = reader
  const floorOf = (thread: string) => Math.max(read.base, read.floors.get(thread) ?? 0, own.get(thread) ?? 0)
  if (read.base < knownFrom.threads) return undefined
  const counts = (sender: number) => sender !== userNid && !ignored.has(sender)
  const mainFloor = floorOf(mainThread)
  let inMain = 0
  for (const { ord, sender_nid } of main) if (ord > mainFloor && counts(sender_nid)) inMain++
  // of more than these nobody wants the exact number
  if (mainFloor < knownFrom.main && inMain <= mostCounted) return undefined
  const byThread = new Map([[mainThread, inMain]])
  for (const { thread_id: thread, ord, sender_nid: sender } of threads)
    if (thread !== null && ord > floorOf(thread) && counts(sender))
      byThread.set(thread, (byThread.get(thread) ?? 0) + 1)
  return { byThread, own }
}
