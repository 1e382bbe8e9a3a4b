import type { RoomCache } from '../../rooms/room-cache.ts'
import { eventAt, loadChain } from '../../rooms/layers.ts'
import type { Conn } from '../../store/database.ts'

type Deps = { readonly roomCache: RoomCache }

/** Places of a state at which two groups differ, with the event of the second; all as row ids, undefined for none. */
export type StateDiff = ReadonlyMap<number, number | undefined>

const nothing: StateDiff = new Map()

/** Where the state of group `to` differs from that of `from`. Looks only at the layers that they do not share. */
export async function stateDiff(deps: Deps, conn: Conn, from: number, to: number): Promise<StateDiff> {
  if (from === to) return nothing
  const { caches } = deps.roomCache
  const [before, after] = [await loadChain(caches, conn, from), await loadChain(caches, conn, to)]
  const shared = new Set(before.map(({ groupNid }) => groupNid))
  const isShared = new Set(after.filter(({ groupNid }) => shared.has(groupNid)).map(({ groupNid }) => groupNid))
  const diff = new Map<number, number | undefined>()
  for (const { groupNid, delta } of [...before, ...after]) {
    if (isShared.has(groupNid)) continue
    for (const key of delta.keys) {
      if (diff.has(key)) continue
      const event = eventAt(after, key)
      if (event !== eventAt(before, key)) diff.set(key, event)
    }
  }
  return diff
}

/** The event of a group at a place, as row ids; undefined where it is empty. */
export async function stateEventAt(deps: Deps, conn: Conn, group: number, keyNid: number): Promise<number | undefined> {
  return eventAt(await loadChain(deps.roomCache.caches, conn, group), keyNid)
}
