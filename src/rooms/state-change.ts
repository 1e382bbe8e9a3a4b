import type { RoomEvent } from '../protocol/event.ts'
import type { Conn } from '../store/database.ts'
import { listStateKeys } from '../store/state-keys.ts'
import type { RoomsDeps } from './deps.ts'
import { loadEvents } from './events.ts'
import type { Room } from './room.ts'
import { eventAt } from './layers.ts'

/** One place of a room's current state, before and after. */
export interface StateChange {
  readonly keyNid: number
  readonly type: string
  readonly stateKey: string
  readonly before: RoomEvent | undefined
  readonly beforeNid: number | undefined
  readonly after: RoomEvent | undefined
  readonly afterNid: number | undefined
}

/** What changes of the current state, with its events, when places get other events (0: none). */
export async function describeChanges(
  deps: Pick<RoomsDeps, 'roomCache'>,
  conn: Conn,
  room: Room,
  changes: ReadonlyMap<number, number>,
  known: ReadonlyMap<number, RoomEvent>,
): Promise<StateChange[]> {
  if (changes.size === 0) return []
  const keys = await listStateKeys(conn, [...changes.keys()])
  const nids = new Set<number>()
  for (const [keyNid, after] of changes) {
    const before = eventAt(room.chain, keyNid)
    if (before !== undefined) nids.add(before)
    if (after !== 0 && !known.has(after)) nids.add(after)
  }
  const events = await loadEvents(deps, conn, room, nids)
  const found = (nid: number | undefined) => (nid === undefined ? undefined : (known.get(nid) ?? events.get(nid)))
  const described: StateChange[] = []
  for (const [keyNid, nid] of changes) {
    const key = keys.get(keyNid)
    if (key === undefined) throw new Error(`state key ${keyNid} is missing`)
    const beforeNid = eventAt(room.chain, keyNid)
    const afterNid = nid === 0 ? undefined : nid
    const { type, stateKey } = key
    described.push({ keyNid, type, stateKey, beforeNid, before: found(beforeNid), afterNid, after: found(afterNid) })
  }
  return described
}
