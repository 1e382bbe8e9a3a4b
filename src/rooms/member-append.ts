import type { UserId } from '../protocol/ids.ts'
import type { Conn, Tx } from '../store/database.ts'
import type { Membership } from '../store/memberships.ts'
import type { AppendResult } from './append.ts'
import { appendLocal } from './append-local.ts'
import type { LocalDeps, LocalOptions } from './append-local.ts'
import type { RoomsDeps } from './deps.ts'
import type { MemberExtras } from './member-content.ts'
import { memberContent } from './member-content.ts'
import type { Room } from './room.ts'

/** A change of somebody's membership by a local user. */
export interface MemberDraft extends MemberExtras {
  readonly sender: UserId
  readonly target: UserId
  readonly membership: Membership
}

/** Appends a member event, inside a write. Throws what `appendLocal` throws: `M_FORBIDDEN` with the rule that it breaks. */
export async function appendMember(
  tx: Tx,
  deps: LocalDeps,
  room: Room,
  draft: MemberDraft,
  options: LocalOptions = {},
): Promise<AppendResult> {
  const { sender, target, membership } = draft
  const content = await memberContent(tx, deps, target, membership, draft)
  return appendLocal(tx, deps, room, { type: 'm.room.member', stateKey: target, content, sender }, options)
}

/** The membership of a user by the room's current state; `leave` for who was never there. */
export async function membershipIn(
  conn: Conn,
  deps: Pick<RoomsDeps, 'roomCache'>,
  room: Room,
  userId: UserId,
): Promise<string> {
  const event = await deps.roomCache.stateEvent(conn, room, 'm.room.member', userId)
  const membership = event?.content.membership
  return typeof membership === 'string' ? membership : 'leave'
}
