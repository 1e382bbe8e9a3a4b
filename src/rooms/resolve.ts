import type { StateKey } from '../protocol/auth/state.ts'
import { stateKeyText } from '../protocol/auth/state.ts'
import type { RoomEvent } from '../protocol/event.ts'
import { agreedChains } from '../protocol/state-resolution/auth-difference.ts'
import { buildAuthGraph } from '../protocol/state-resolution/auth-graph.ts'
import { findConflict } from '../protocol/state-resolution/full-conflicted-set.ts'
import type { Conflict } from '../protocol/state-resolution/full-conflicted-set.ts'
import { eventsToLoad, stateToLoad } from '../protocol/state-resolution/plan.ts'
import { resolveState } from '../protocol/state-resolution/resolve.ts'
import type { StateMap } from '../protocol/state-resolution/split.ts'
import { splitState } from '../protocol/state-resolution/split.ts'
import type { Conn, Tx } from '../store/database.ts'
import { AuthGraphReader } from './auth-chain.ts'
import { remember } from './caches.ts'
import type { RoomsDeps } from './deps.ts'
import { loadEvents } from './events.ts'
import type { Chain } from './layers.ts'
import { loadChain, putGroup, stateMapOf } from './layers.ts'
import type { Room } from './room.ts'

type Deps = Pick<RoomsDeps, 'roomCache'>
type RoomRef = Pick<Room, 'nid' | 'id' | 'version'>

/** The state that several states of a room make together: everything that resolution reads is loaded set by set, then it runs at once. */
export async function resolveMaps(
  deps: Deps,
  conn: Conn,
  room: RoomRef,
  sets: readonly StateMap[],
): Promise<ReadonlyMap<number, number>> {
  const split = splitState(sets)
  if (split.conflicted.size === 0) return split.unconflicted
  const reader = new AuthGraphReader(deps.roomCache.caches, conn)
  const conflicted = [...split.conflicted.values()].flat()
  await reader.load(conflicted)
  let conflict: Conflict | undefined
  let nids: number[]
  if (room.version.stateResolution === 'v1') nids = conflicted
  else {
    const agreed = agreedChains(buildAuthGraph(conflicted, reader.edges), sets, split)
    await reader.load(agreed.roots, agreed.floor)
    conflict = findConflict(room.version, sets, split, reader.edges)
    nids = eventsToLoad(conflict, reader.edges)
  }
  await reader.load(nids)
  const events = new Map(await loadEvents(deps, conn, room, nids))
  const keyNids = new Map<string, number>()
  const subjects = conflict === undefined ? nids : conflict.full
  const wanted = stateToLoad(subjects.map((nid) => events.get(nid)).filter((event) => event !== undefined))
  await loadPlaces(deps, conn, wanted, keyNids)
  await loadPlaces(deps, conn, fixedPlaces, keyNids)
  for (const event of events.values()) await loadPlaces(deps, conn, [placeOf(event)], keyNids)
  const unconflicted = new Set<number>()
  for (const { type, stateKey } of [...wanted, ...fixedPlaces]) {
    const keyNid = keyNids.get(stateKeyText(type, stateKey))
    const eventNid = keyNid === undefined ? undefined : split.unconflicted.get(keyNid)
    if (eventNid !== undefined && !events.has(eventNid)) unconflicted.add(eventNid)
  }
  for (const [nid, event] of await loadEvents(deps, conn, room, unconflicted)) events.set(nid, event)
  await reader.load(unconflicted)
  return resolveState(
    {
      version: room.version,
      sets,
      create: await createEvent(deps, conn, room, sets, keyNids),
      authEdges: reader.edges,
      keyOf: (nid) => reader.node(nid).stateKeyNid ?? 0,
      keyNid: (type, stateKey) => keyNids.get(stateKeyText(type, stateKey)),
      event: (nid) => {
        const event = events.get(nid)
        if (event === undefined) throw new Error(`event ${nid} was not loaded for resolution`)
        return event
      },
      isRejected: (nid) => reader.node(nid).isRejected,
    },
    conflict,
  )
}

const fixedPlaces: readonly StateKey[] = [
  { type: 'm.room.create', stateKey: '' },
  { type: 'm.room.power_levels', stateKey: '' },
  { type: 'm.room.join_rules', stateKey: '' },
]

function placeOf(event: RoomEvent): StateKey {
  return { type: event.type, stateKey: event.stateKey ?? '' }
}

async function loadPlaces(deps: Deps, conn: Conn, keys: readonly StateKey[], into: Map<string, number>): Promise<void> {
  for (const key of keys) {
    const text = stateKeyText(key.type, key.stateKey)
    if (into.has(text)) continue
    const nid = await deps.roomCache.stateKeyNid(conn, key)
    if (nid !== undefined) into.set(text, nid)
  }
}

async function createEvent(
  deps: Deps,
  conn: Conn,
  room: RoomRef,
  sets: readonly StateMap[],
  keyNids: ReadonlyMap<string, number>,
): Promise<RoomEvent> {
  const keyNid = keyNids.get(stateKeyText('m.room.create', ''))
  const nids = new Set<number>()
  for (const set of sets) {
    const nid = keyNid === undefined ? undefined : set.get(keyNid)
    if (nid !== undefined) nids.add(nid)
  }
  for (const event of (await loadEvents(deps, conn, room, nids)).values()) return event
  throw new Error('a state without a create event cannot be resolved')
}

/** The resolved state of groups of a room, kept; a single group is its own. */
export async function resolveGroups(
  deps: Deps,
  conn: Conn,
  room: RoomRef,
  groups: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const distinct = [...new Set(groups)].sort((a, b) => a - b)
  const { caches } = deps.roomCache
  const [only] = distinct
  if (distinct.length === 1 && only !== undefined) return stateMapOf(caches, conn, only)
  const key = distinct.join(' ')
  const known = caches.resolutions.get(key)
  if (known !== undefined) return known
  const sets: StateMap[] = []
  for (const group of distinct) sets.push(await stateMapOf(caches, conn, group))
  const resolved = await resolveMaps(deps, conn, room, sets)
  remember(conn, () => caches.resolutions.set(key, resolved))
  return resolved
}

/** The group of the state that these groups make together. */
export async function putResolvedGroup(deps: Deps, tx: Tx, room: RoomRef, groups: readonly number[]): Promise<Chain> {
  const { caches } = deps.roomCache
  const distinct = [...new Set(groups)]
  const [only] = distinct
  if (distinct.length === 1 && only !== undefined) return loadChain(caches, tx, only)
  return putGroupOfMap(deps, tx, room, await resolveGroups(deps, tx, room, distinct), distinct)
}

/** The group of a whole state, stored as a difference to the nearest of some groups. */
export async function putGroupOfMap(
  deps: Deps,
  tx: Tx,
  room: Pick<Room, 'nid'>,
  state: ReadonlyMap<number, number>,
  near: readonly number[],
): Promise<Chain> {
  const { caches } = deps.roomCache
  let best: { base: Chain; changes: Map<number, number> } = { base: [], changes: new Map(state) }
  for (const group of near) {
    const changes = differences(await stateMapOf(caches, tx, group), state)
    if (changes.size < best.changes.size || best.base.length === 0)
      best = { base: await loadChain(caches, tx, group), changes }
  }
  return putGroup(caches, tx, room.nid, best.base, best.changes)
}

/** What makes the second state of the first: an event, or 0 for a place to empty, by place. */
export function differences(from: ReadonlyMap<number, number>, to: ReadonlyMap<number, number>): Map<number, number> {
  const changes = new Map<number, number>()
  for (const [key, event] of to) if (from.get(key) !== event) changes.set(key, event)
  for (const key of from.keys()) if (!to.has(key)) changes.set(key, 0)
  return changes
}
