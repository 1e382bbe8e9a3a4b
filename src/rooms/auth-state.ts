import type { EventDraft } from '../protocol/auth/required-state.ts'
import { requiredState } from '../protocol/auth/required-state.ts'
import type { StateKey } from '../protocol/auth/state.ts'
import { AuthState, stateKeyText } from '../protocol/auth/state.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { Conn } from '../store/database.ts'
import type { RoomsDeps } from './deps.ts'
import { loadEvents } from './events.ts'
import type { Chain } from './layers.ts'
import { eventAt } from './layers.ts'
import type { Room } from './room.ts'

type CacheDeps = Pick<RoomsDeps, 'roomCache'>

const createKey: StateKey = { type: 'm.room.create', stateKey: '' }

/** The part of the room's current state that an event is checked against; undefined where the state has no create event. */
export async function currentAuthState(
  deps: CacheDeps,
  conn: Conn,
  room: Room,
  draft: EventDraft,
): Promise<{ readonly state: AuthState | undefined; readonly events: readonly RoomEvent[] }> {
  const { memo } = room
  const keys = requiredState(draft)
  const isKnown = memo.has(createKey.type, '') && keys.every(({ type, stateKey }) => memo.has(type, stateKey))
  // all taken out at one moment: the memo forgets when it is full
  const [create, ...found] = isKnown
    ? [createKey, ...keys].map(({ type, stateKey }) => memo.get(type, stateKey))
    : await deps.roomCache.stateEvents(conn, room, [createKey, ...keys])
  const events = found.filter((event) => event !== undefined)
  const find = (type: string, key: string) => events.find((event) => event.type === type && event.stateKey === key)
  return { state: create && new AuthState(create, find), events }
}

/** As `currentAuthState`, for the state of any group. */
export async function authStateAt(
  deps: CacheDeps,
  conn: Conn,
  room: Room,
  chain: Chain,
  draft: EventDraft,
): Promise<AuthState | undefined> {
  const group = chain[0]?.groupNid
  if (group === undefined) return undefined
  if (group === room.currentGroup) return (await currentAuthState(deps, conn, room, draft)).state
  const nids = new Map<string, number>()
  for (const key of [createKey, ...requiredState(draft)]) {
    const keyNid = await deps.roomCache.stateKeyNid(conn, key)
    const eventNid = keyNid === undefined ? undefined : eventAt(chain, keyNid)
    if (eventNid !== undefined) nids.set(stateKeyText(key.type, key.stateKey), eventNid)
  }
  const events = await loadEvents(deps, conn, room, nids.values())
  const at = (type: string, stateKey: string) => {
    const nid = nids.get(stateKeyText(type, stateKey))
    return nid === undefined ? undefined : events.get(nid)
  }
  const create = at('m.room.create', '')
  return create && new AuthState(create, at)
}
