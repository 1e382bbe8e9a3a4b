import type { Database, Tx } from '../store/database.ts'
import { room as roomLock, user as userLock } from '../store/locks.ts'
import { withRetries } from '../store/retries.ts'
import type { Room } from './room.ts'
import type { RoomCache } from './room-cache.ts'

const mostTries = 5

/**
 * Runs `fn` in a write that holds the rows of these users and of a room, with the room as this write sees it. `fn` may
 * run several times: it holds only store calls and pure functions.
 */
export function writeInRoom<T>(
  deps: { readonly database: Database; readonly roomCache: RoomCache },
  room: Pick<Room, 'nid' | 'id'>,
  userNids: readonly number[],
  fn: (tx: Tx, room: Room) => Promise<T>,
): Promise<T> {
  const locks = [...[...new Set(userNids)].map(userLock), roomLock(room.nid)]
  return withRetries(mostTries, () =>
    deps.database.write(async (tx) => fn(tx, await deps.roomCache.forWrite(tx, room.id)), { locks }),
  )
}
