import { defaultPushRules } from '../protocol/default-push-rules.ts'
import type { RoomEvent } from '../protocol/event.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json } from '../protocol/json-types.ts'
import { powerLevelsOf } from '../protocol/power-levels.ts'
import type { PushContext } from '../protocol/push-conditions.ts'
import { compilePushRules, evaluatePushRules } from '../protocol/push-rules.ts'
import type { PushOutcome } from '../protocol/push-rules.ts'
import type { Appended } from '../rooms/deps.ts'
import type { Room } from '../rooms/room.ts'
import type { RoomCache } from '../rooms/room-cache.ts'
import type { Conn, Tx } from '../store/database.ts'
import { insertDeviations, mainThread } from '../store/unread.ts'
import type { NewDeviation } from '../store/unread.ts'
import type { Audience, Audiences, Listener } from './audiences.ts'

interface Deps {
  readonly roomCache: RoomCache
  readonly audiences: Audiences
}

/** The predefined rules, for somebody whom no event names. */
const anybodysRules = compilePushRules('', defaultPushRules(''))

/**
 * Notes, in the transaction that appends an event, which of our own users it tells in another way than by default:
 * highlights, and users whose own rules judge it otherwise (client-server API, "Receiving notifications"). An ordinary
 * message in a room where nobody has rules of their own costs nothing.
 */
export async function notify(tx: Tx, deps: Deps, appended: Appended): Promise<void> {
  const { room, event } = appended
  const audience = await deps.audiences.of(tx, room)
  const mentioned = mentionedIn(event)
  const isForAll = mentioned.room || (event.type === 'm.room.tombstone' && event.stateKey === '')
  if (!isForAll && mentioned.users.length === 0 && audience.ruled.length === 0) return
  const context = await contextOf(deps, tx, room, audience)
  const rows = new Map<number, NewDeviation>()
  const note = (listener: Listener, outcome: PushOutcome | undefined, isMuted: boolean) => {
    const row = deviation(appended, listener, outcome, isMuted)
    if (row !== undefined) rows.set(listener.userNid, row)
  }

  if (isForAll) {
    const outcome = evaluatePushRules(anybodysRules, event, context)
    for (const listener of audience.listeners.values())
      if (listener.userId !== event.sender) note(listener, outcome, false)
  }
  for (const userId of mentioned.users) {
    const listener = audience.listeners.get(userId)
    if (listener === undefined) continue
    const rules = compilePushRules(userId, defaultPushRules(userId))
    note(listener, evaluatePushRules(rules, event, context), false)
  }
  for (const ruled of audience.ruled) {
    rows.delete(ruled.userNid)
    if (ruled.userId === event.sender) continue
    note(ruled, evaluatePushRules(ruled.rules, event, { ...context, displayName: ruled.displayName }), ruled.isMuted)
  }
  if (rows.size > 0) await insertDeviations(tx, [...rows.values()])
}

/** The row of a user, undefined for one who is told as by default, or not told as usual in a room that they muted. */
function deviation(
  { room, eventNid, ord, threadId, notifyOrd }: Appended,
  { userNid }: Listener,
  outcome: PushOutcome | undefined,
  isMuted: boolean,
): NewDeviation | undefined {
  const notifies = outcome?.notify ?? false
  const highlight = outcome?.highlight ?? false
  const byDefault = notifyOrd !== undefined
  const isUsual = isMuted ? !notifies : notifies === byDefault
  if (isUsual && !highlight) return undefined
  return {
    user_nid: userNid,
    room_nid: room.nid,
    event_nid: eventNid,
    thread_id: threadId ?? mainThread,
    ord,
    highlight,
    differs: Number(notifies) - Number(byDefault),
  }
}

/** Whom an event mentions (client-server API, "User and room mentions"). */
function mentionedIn({ content }: RoomEvent): { readonly users: readonly string[]; readonly room: boolean } {
  const mentions = memberOf(content, 'm.mentions')
  if (!isJsonObject(mentions)) return { users: [], room: false }
  const users = memberOf(mentions, 'user_ids')
  const ids = Array.isArray(users) ? (users as readonly Json[]).filter((id) => typeof id === 'string') : []
  return { users: [...new Set(ids)], room: memberOf(mentions, 'room') === true }
}

async function contextOf(deps: Deps, conn: Conn, room: Room, { memberCount }: Audience): Promise<PushContext> {
  const [create, levels] = await deps.roomCache.stateEvents(conn, room, [
    { type: 'm.room.create', stateKey: '' },
    { type: 'm.room.power_levels', stateKey: '' },
  ])
  if (create === undefined) throw new Error('a room has no create event')
  return { memberCount, powerLevels: powerLevelsOf(create, levels) }
}
