import type { RoomEvent } from './event.ts'

/** The four settings of `m.room.history_visibility`. */
export type HistoryVisibility = 'world_readable' | 'shared' | 'invited' | 'joined'

/** A setting at an event: before it, and after it where the event itself changed it. */
export interface VisibilityAtEvent {
  readonly before: HistoryVisibility
  /** Only for an `m.room.history_visibility` event. */
  readonly after?: HistoryVisibility
}

/** How a user stood to a room at an event. */
export interface MembershipAtEvent {
  /** `join`, `invite`, `leave`, `ban`, `knock`; `leave` for who was never there. */
  readonly before: string
  /** Only for the user's own `m.room.member` event. */
  readonly after?: string
  /** Did the user join, or was the user joined, at any point after the event was sent? */
  readonly joinedLater: boolean
}

/** The setting that a state has with this event at `m.room.history_visibility`: `shared` where there is none or it is not understood. */
export function historyVisibilityOf(event: Pick<RoomEvent, 'content'> | undefined): HistoryVisibility {
  const setting = event?.content.history_visibility
  return setting === 'world_readable' || setting === 'invited' || setting === 'joined' ? setting : 'shared'
}

/**
 * May the user see the event? (client-server API, "Room History Visibility", "Server behaviour".) An event that
 * changes the setting, or the user's own membership, may be seen if it could be by what held before or after it.
 */
export function maySeeEvent(visibility: VisibilityAtEvent, user: MembershipAtEvent): boolean {
  const { before, after = before } = visibility
  const memberships = user.after === undefined ? [user.before] : [user.before, user.after]
  return memberships.some(
    (membership) => isVisible(before, membership, user.joinedLater) || isVisible(after, membership, user.joinedLater),
  )
}

function isVisible(visibility: HistoryVisibility, membership: string, joinedLater: boolean): boolean {
  // 1
  if (visibility === 'world_readable') return true
  // 2
  if (membership === 'join') return true
  // 3
  if (visibility === 'shared' && joinedLater) return true
  // 4; 5
  return membership === 'invite' && visibility === 'invited'
}

/** May a server see the event? If any of its users may; anything that the world may read, without any user too. */
export function mayServerSeeEvent(visibility: VisibilityAtEvent, users: Iterable<MembershipAtEvent>): boolean {
  if (visibility.before === 'world_readable' || visibility.after === 'world_readable') return true
  for (const user of users) if (maySeeEvent(visibility, user)) return true
  return false
}
