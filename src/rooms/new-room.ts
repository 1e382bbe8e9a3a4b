import { MatrixError } from '../protocol/errors.ts'
import type { RoomId } from '../protocol/ids.ts'
import type { RoomVersion } from '../protocol/room-version.ts'
import type { Tx } from '../store/database.ts'
import { insertRoom } from '../store/rooms.ts'
import { insertSummary } from '../store/summaries.ts'
import { append } from './append.ts'
import type { AppendResult } from './append.ts'
import type { LocalDeps } from './append-local.ts'
import type { Draft } from './build.ts'
import { buildEvent } from './build.ts'
import type { Room } from './room.ts'
import { assertMaySend } from './sender.ts'
import { StateMemo } from './state-memo.ts'

/** A room without any event. */
export function emptyRoom(nid: number, id: RoomId, version: RoomVersion): Room {
  return {
    nid,
    id,
    version,
    revision: 0,
    extremities: [],
    currentGroup: 0,
    chain: [],
    nextOrd: 1,
    nextBackOrd: -1,
    lastLocalNid: 0,
    notifying: 0,
    partialState: false,
    hosts: [],
    memo: new StateMemo(),
  }
}

/** Makes the rows of a room that this server did not know. Throws `M_UNKNOWN` where it does. */
export async function insertEmptyRoom(tx: Tx, roomId: RoomId, version: RoomVersion): Promise<Room> {
  const nid = await insertRoom(tx, { roomId, version: version.id, partialState: false })
  if (nid === undefined) throw new MatrixError('M_UNKNOWN', 'The room exists already', {}, 400)
  await insertSummary(tx, nid, tx.nextPosition())
  return emptyRoom(nid, roomId, version)
}

/**
 * Makes a room by its create event, inside a write. Before room version 12 `roomId` names it; from there the event's
 * hash does, and `roomId` is not given. Throws what `appendLocal` throws.
 */
export async function startRoom(
  tx: Tx,
  deps: LocalDeps,
  start: { readonly version: RoomVersion; readonly roomId?: RoomId | undefined; readonly draft: Draft },
): Promise<AppendResult> {
  const { version, draft } = start
  const senderNid = await assertMaySend(tx, deps, draft.sender, false)
  const { event } = await buildEvent(tx, deps, emptyRoom(0, start.roomId ?? '!', version), draft)
  const room = await insertEmptyRoom(tx, event.roomId, version)
  return append(tx, deps, room, { event, isLocal: true, senderNid, authNids: [], before: [], arrival: 'live' })
}
