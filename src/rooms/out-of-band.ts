import { serverNameOf } from '../protocol/ids.ts'
import type { RoomId, ServerName, UserId } from '../protocol/ids.ts'
import type { RoomVersion } from '../protocol/room-version.ts'
import type { StrippedState } from '../protocol/stripped-state.ts'
import type { Tx } from '../store/database.ts'
import type { Membership } from '../store/memberships.ts'
import { findMembership, putMemberships, putStrippedState } from '../store/memberships.ts'
import { changeRoomHost } from '../store/room-hosts.ts'
import type { RoomsDeps } from './deps.ts'
import { strippedWithoutErased } from './erasure-of.ts'
import { insertEmptyRoom } from './new-room.ts'

type Deps = Pick<RoomsDeps, 'roomCache' | 'serverName' | 'clock' | 'changes' | 'erased'>

/** The membership of a local user in a room whose state this server does not follow. */
export interface OutOfBand {
  readonly roomId: RoomId
  readonly version: RoomVersion
  readonly userId: UserId
  /** who made it so: the inviter, or the user */
  readonly sender: UserId
  readonly membership: Membership & ('invite' | 'knock' | 'leave')
  /** the server that brought it: whoever comes or leaves later asks it first */
  readonly through?: ServerName
  /** what the user is told of the room, the membership itself included */
  readonly stripped?: readonly StrippedState[]
}

/**
 * Notes an invite, a knock or the end of one, without an event in the room's graph: this server is not in the room, so
 * that nothing could judge it. Never replaces a join. Gives whether it was noted.
 */
export async function putOutOfBand(tx: Tx, deps: Deps, noted: OutOfBand): Promise<boolean> {
  const { roomId, version, userId, sender, membership, through, stripped } = noted
  const room = (await deps.roomCache.find(tx, roomId)) ?? (await insertEmptyRoom(tx, roomId, version))
  const userNid = await deps.roomCache.putUser(tx, userId)
  const before = await findMembership(tx, userNid, room.nid)
  if (before?.membership === 'join') return false
  await putMemberships(tx, [
    {
      user_nid: userNid,
      room_nid: room.nid,
      membership,
      // no event: readers show the stripped state
      event_nid: 0,
      sender_nid: await deps.roomCache.putUser(tx, sender),
      local: true,
      forgotten: false,
      writer: tx.writerNid,
      pos: tx.nextPosition(),
      ord: null,
      display_name: null,
      avatar_url: null,
    },
  ])
  const kept = stripped && (await Promise.all(stripped.map((each) => strippedWithoutErased(deps, tx, version, each))))
  await putStrippedState(tx, userNid, room.nid, kept === undefined ? null : JSON.stringify(kept))
  await noteHost(tx, deps, room.nid, through ?? serverNameOf(sender))
  tx.afterCommit(() => deps.changes.announce({ roomNids: [room.nid], userNids: [userNid] }))
  return true
}

/** Who was invited or knocked through a server holds something of the user: erasures are forwarded to it (P9). */
async function noteHost(tx: Tx, deps: Deps, roomNid: number, server: ServerName): Promise<void> {
  if (server === deps.serverName) return
  await changeRoomHost(tx, {
    roomNid,
    serverNid: await deps.roomCache.putServer(tx, server),
    by: 0,
    ts: deps.clock.now(),
  })
}
