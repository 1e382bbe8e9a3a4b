import type { Conn } from '../store/database.ts'
import { listOwnReceipts } from '../store/receipts.ts'
import type { OwnReceipt } from '../store/receipts.ts'
import { countUnreadOfRooms } from '../store/unread-rooms.ts'
import type { UnreadCounts } from '../store/unread-rooms.ts'
import { listDeviations } from '../store/unread.ts'
import type { Deviation } from '../store/unread.ts'

/** From where a user has not read a room: place of coming in or unthreaded receipt, and the receipts by thread. */
export interface ReadUpTo {
  readonly base: number
  readonly floors: ReadonlyMap<string, number>
}

/** Where the parts of unread counts come from: read for one user alone, or for several together. */
export interface UnreadReads {
  receipts(userNid: number, roomNids: readonly number[]): Promise<readonly OwnReceipt[]>
  deviations(userNid: number, roomNids: readonly number[]): Promise<readonly Deviation[]>
  /** as `countUnreadOfRooms`, where events of the user's own and of `ignored` senders (row ids) do not count */
  counts(
    userNid: number,
    rooms: ReadonlyMap<number, ReadUpTo>,
    ignored: ReadonlySet<number>,
  ): Promise<ReadonlyMap<number, UnreadCounts>>
}

/** For one user, statement by statement. */
export function unreadReads(conn: Conn): UnreadReads {
  return {
    receipts: (userNid, roomNids) => listOwnReceipts(conn, userNid, roomNids),
    deviations: (userNid, roomNids) => listDeviations(conn, userNid, roomNids),
    counts: (userNid, rooms, ignored) =>
      countUnreadOfRooms(
        conn,
        userNid,
        [...rooms].map(([roomNid, { base, floors }]) => [roomNid, base, [...floors]]),
        [userNid, ...ignored],
      ),
  }
}
