import type { StateKey } from '../protocol/auth/state.ts'
import { stateKeyText } from '../protocol/auth/state.ts'
import type { RoomEvent } from '../protocol/event.ts'
import type { Conn } from '../store/database.ts'
import { listCurrentState } from '../store/current-state.ts'
import type { RoomsDeps } from './deps.ts'
import { loadEvents } from './events.ts'
import { eventAt, loadChain, stateMapOf } from './layers.ts'
import type { Room } from './room.ts'

type CacheDeps = Pick<RoomsDeps, 'roomCache'>

/** The whole state of a group: event by place, as row ids. Not to be changed. */
export function stateGroupMap(deps: CacheDeps, conn: Conn, groupNid: number): Promise<ReadonlyMap<number, number>> {
  return stateMapOf(deps.roomCache.caches, conn, groupNid)
}

/** Row ids of the events that a group has at these places, by `stateKeyText`; empty places are missing. Expands nothing. */
export async function stateNidsAtGroup(
  deps: CacheDeps,
  conn: Conn,
  groupNid: number,
  keys: readonly StateKey[],
): Promise<Map<string, number>> {
  const chain = await loadChain(deps.roomCache.caches, conn, groupNid)
  const found = new Map<string, number>()
  for (const key of keys) {
    const keyNid = await deps.roomCache.stateKeyNid(conn, key)
    const eventNid = keyNid === undefined ? undefined : eventAt(chain, keyNid)
    if (eventNid !== undefined) found.set(stateKeyText(key.type, key.stateKey), eventNid)
  }
  return found
}

/** The events that a group has at these places, by `stateKeyText`; empty places are missing. */
export async function stateAtGroup(
  deps: CacheDeps,
  conn: Conn,
  room: Pick<Room, 'id' | 'version'>,
  groupNid: number,
  keys: readonly StateKey[],
): Promise<Map<string, RoomEvent>> {
  const nids = await stateNidsAtGroup(deps, conn, groupNid, keys)
  const events = await loadEvents(deps, conn, room, nids.values())
  const found = new Map<string, RoomEvent>()
  for (const [text, nid] of nids) {
    const event = events.get(nid)
    if (event !== undefined) found.set(text, event)
  }
  return found
}

/** Row ids of the whole state before or after a stored event; empty for an outlier. */
export async function stateAtEvent(
  deps: CacheDeps,
  conn: Conn,
  row: { readonly state_before: number | null; readonly state_after: number | null },
  when: 'before' | 'after' = 'before',
): Promise<ReadonlyMap<number, number>> {
  const group = when === 'before' ? row.state_before : row.state_after
  return group === null ? new Map() : stateGroupMap(deps, conn, group)
}

/** All events of the room's current state. */
export async function currentStateEvents(deps: CacheDeps, conn: Conn, room: Room): Promise<RoomEvent[]> {
  const rows = await listCurrentState(conn, room.nid)
  const events = await loadEvents(
    deps,
    conn,
    room,
    rows.map(({ eventNid }) => eventNid),
  )
  return [...events.values()]
}
