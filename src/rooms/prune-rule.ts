import type { RoomEvent } from '../protocol/event.ts'

/** When a user was erased, and since when they are active again, in ms. */
export interface ErasureMark {
  readonly erasedTs: number
  readonly returnedTs?: number | undefined
}

/** How an event came in: by which door, or `stored` for one that was here before. */
export type Arrival = 'live' | 'old' | 'stored'

/** What the rule reads of an event. */
export type Prunable = Pick<RoomEvent, 'type' | 'stateKey' | 'content' | 'version'>

/** What becomes of an event of an erased person; `strip`: keys of the content that clients do not get of one that is kept. */
export interface PruneRule {
  readonly stored: 'keep' | 'prune'
  readonly strip: readonly string[]
}

const prune: PruneRule = { stored: 'prune', strip: [] }
const keepWhole: PruneRule = { stored: 'keep', strip: [] }

/** They describe the room, and pruned they would break it or lock people out. */
const alwaysKept = new Set([
  'm.room.create',
  'm.room.power_levels',
  'm.room.join_rules',
  'm.room.history_visibility',
  'm.room.server_acl',
  'm.room.encryption',
  'm.room.tombstone',
  'm.room.guest_access',
  'm.room.canonical_alias',
])

/** They describe the room as long as nothing newer does. */
const keptWhileCurrent = new Set([
  'm.room.name',
  'm.room.topic',
  'm.room.avatar',
  'm.room.pinned_events',
  'm.space.child',
  'm.space.parent',
  'm.room.policy',
  // without it those whom it invited cannot come in
  'm.room.third_party_invite',
])

/**
 * Whether an event of an erased person is pruned where it is stored and sent to other servers, and what clients do not
 * see of one that is kept. `isCurrent`: it is part of the room's current state. A pure function; it asks nobody whether
 * the sender is erased.
 */
export function pruneRule(event: Prunable, isCurrent: boolean): PruneRule {
  const { type, stateKey, version } = event
  if (type === 'm.room.redaction')
    // pruned, it would lose `redacts`, and what it redacted would come back
    return version.redactsInContent ? prune : { stored: 'keep', strip: ['reason'] }
  if (stateKey === undefined) return prune
  if (alwaysKept.has(type)) return keepWhole
  if (keptWhileCurrent.has(type))
    return isCurrent ? { stored: 'keep', strip: type === 'm.room.third_party_invite' ? ['display_name'] : [] } : prune
  if (type === 'm.room.member' && isMemberKept(event))
    return { stored: 'keep', strip: ['displayname', 'avatar_url', 'reason'] }
  return prune
}

/** Redaction would take what the authorization rules ask for. */
function isMemberKept({ content, version }: Prunable): boolean {
  if (
    version.restrictedJoins &&
    !version.redactionKeepsAuthoriser &&
    Object.hasOwn(content, 'join_authorised_via_users_server')
  )
    return true
  return !version.redactionV11 && Object.hasOwn(content, 'third_party_invite')
}

/**
 * Whether the erasure of its sender covers an event: all of them, but those of a remote person who is active again
 * after it. Only what arrives live tells that somebody is active again; history that is fetched later does not.
 */
export function isCoveredByErasure(mark: ErasureMark | undefined, originServerTs: number, arrival: Arrival): boolean {
  if (mark === undefined) return false
  if (mark.returnedTs !== undefined && originServerTs >= mark.returnedTs && arrival !== 'old') return false
  return true
}

/** Whether an event that arrives live shows that an erased person of another server is active again. */
export function showsReturn(
  mark: ErasureMark | undefined,
  originServerTs: number,
  isLocal: boolean,
  arrival: Arrival,
): boolean {
  return (
    mark !== undefined &&
    mark.returnedTs === undefined &&
    !isLocal &&
    arrival === 'live' &&
    originServerTs > mark.erasedTs
  )
}
