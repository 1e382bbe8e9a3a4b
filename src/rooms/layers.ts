import { hash } from 'node:crypto'
import type { Conn, Tx } from '../store/database.ts'
import type { StateDelta } from '../store/state-group-codec.ts'
import { deltaAt, deltaOf, packDelta, unpackDelta } from '../store/state-group-codec.ts'
import { findStateGroupByHash, getStateGroup, insertStateGroup } from '../store/state-groups.ts'
import type { Caches } from './caches.ts'
import { remember } from './caches.ts'
import type { Layer } from './layer.ts'

/** The layers of a state group, the group's own first: at most 4. */
export type Chain = readonly Layer[]

// With these, a state of 10,000 places costs about 24 packed entries for each change, its snapshots included.
const mostEntries = [Infinity, 1700, 140, 12] as const
const hashBytes = 8
const hashModulus = 1n << 64n

/** The layers of a group; none for group 0, the empty state. */
export async function loadChain(caches: Caches, conn: Conn, groupNid: number): Promise<Chain> {
  const chain: Layer[] = []
  for (let nid: number | null = groupNid === 0 ? null : groupNid; nid !== null;) {
    const layer: Layer = caches.layers.get(nid) ?? (await loadLayer(caches, conn, nid))
    chain.push(layer)
    nid = layer.parent
  }
  return chain
}

async function loadLayer(caches: Caches, conn: Conn, groupNid: number): Promise<Layer> {
  const row = await getStateGroup(conn, groupNid)
  const layer: Layer = {
    groupNid,
    parent: row.parent,
    layer: row.layer,
    hash: row.hash.readBigUInt64BE(0),
    delta: unpackDelta(row.delta),
  }
  remember(conn, () => caches.layers.set(groupNid, layer))
  return layer
}

/** The event at a place of a state, by row ids; undefined where the place is empty. */
export function eventAt(chain: Chain, keyNid: number): number | undefined {
  for (const { delta } of chain) {
    const found = deltaAt(delta, keyNid)
    if (found !== undefined) return found === 0 ? undefined : found
  }
  return undefined
}

/** The whole state of a group: event by place, as row ids. */
export function expand(chain: Chain): Map<number, number> {
  const state = new Map<number, number>()
  for (let i = chain.length - 1; i >= 0; i--) apply(state, (chain[i] as Layer).delta)
  return state
}

function apply(state: Map<number, number>, { keys, events }: StateDelta): void {
  for (let i = 0; i < keys.length; i++) {
    const event = events[i] as number
    if (event === 0) state.delete(keys[i] as number)
    else state.set(keys[i] as number, event)
  }
}

/** Whole states by group, kept. Not to be changed. */
export async function stateMapOf(caches: Caches, conn: Conn, groupNid: number): Promise<ReadonlyMap<number, number>> {
  const known = caches.maps.get(groupNid)
  if (known !== undefined) return known
  const map = expand(await loadChain(caches, conn, groupNid))
  remember(conn, () => caches.maps.set(groupNid, map))
  return map
}

/**
 * The group of the state that differs from `base` in these places (an event's row id, or 0 to empty the place, by row
 * id of the place): one that is stored already, or a new one. Its layer goes where few entries are written again.
 */
export async function putGroup(
  caches: Caches,
  tx: Tx,
  roomNid: number,
  base: Chain,
  changes: ReadonlyMap<number, number>,
): Promise<Chain> {
  const real = new Map<number, number>()
  let sum = base[0]?.hash ?? 0n
  for (const [key, event] of changes) {
    const before = eventAt(base, key) ?? 0
    if (before === event) continue
    real.set(key, event)
    if (before !== 0) sum -= entryHash(key, before)
    if (event !== 0) sum += entryHash(key, event)
  }
  if (real.size === 0 && base.length > 0) return base
  return findOrInsert(caches, tx, roomNid, base, real, ((sum % hashModulus) + hashModulus) % hashModulus)
}

async function findOrInsert(
  caches: Caches,
  tx: Tx,
  roomNid: number,
  base: Chain,
  changes: Map<number, number>,
  firstHash: bigint,
): Promise<Chain> {
  const { parent, layer, delta } = placeLayer(base, changes)
  // the hash is short: what it finds is compared, and another state of the same hash takes the next number
  for (let stateHash = firstHash; ; stateHash = (stateHash + 1n) % hashModulus) {
    const bytes = hashBuffer(stateHash)
    const found = await findStateGroupByHash(tx, roomNid, bytes)
    if (found !== undefined) {
      const chain = await loadChain(caches, tx, found)
      if (isSame(expand(chain), base, changes)) return chain
      continue
    }
    const groupNid = await insertStateGroup(tx, {
      roomNid,
      parent: parent[0]?.groupNid ?? null,
      layer,
      hash: bytes,
      delta: packDelta(delta),
    })
    const made: Layer = { groupNid, parent: parent[0]?.groupNid ?? null, layer, hash: stateHash, delta }
    remember(tx, () => caches.layers.set(groupNid, made))
    return [made, ...parent]
  }
}

/** Where a changed state is stored: the smallest class whose delta does not get too long. */
export function placeLayer(
  base: Chain,
  changes: ReadonlyMap<number, number>,
): { parent: Chain; layer: number; delta: StateDelta } {
  const size = base.reduce((sum, { delta }) => sum + delta.keys.length, changes.size)
  for (let layer = 3; layer > 0; layer--) {
    const skipped = base.findIndex((candidate) => candidate.layer < layer)
    if (skipped < 0) break
    const delta = compose(base.slice(0, skipped), changes)
    const limit = mostEntries[layer] ?? 0
    if (delta.size > limit || (layer < 3 && delta.size * 2 >= size)) continue
    return { parent: base.slice(skipped), layer, delta: deltaOf(delta) }
  }
  const whole = expand(base)
  for (const [key, event] of changes)
    if (event === 0) whole.delete(key)
    else whole.set(key, event)
  return { parent: [], layer: 0, delta: deltaOf(whole) }
}

function compose(layers: Chain, changes: ReadonlyMap<number, number>): Map<number, number> {
  const made = new Map<number, number>()
  for (let i = layers.length - 1; i >= 0; i--) {
    const { keys, events } = (layers[i] as Layer).delta
    for (let j = 0; j < keys.length; j++) made.set(keys[j] as number, events[j] as number)
  }
  for (const [key, event] of changes) made.set(key, event)
  return made
}

function isSame(state: Map<number, number>, base: Chain, changes: ReadonlyMap<number, number>): boolean {
  const wanted = expand(base)
  for (const [key, event] of changes)
    if (event === 0) wanted.delete(key)
    else wanted.set(key, event)
  if (wanted.size !== state.size) return false
  for (const [key, event] of wanted) if (state.get(key) !== event) return false
  return true
}

function entryHash(key: number, event: number): bigint {
  return hash('sha256', `${key} ${event}`, 'buffer').readBigUInt64BE(0)
}

function hashBuffer(value: bigint): Buffer {
  const bytes = Buffer.alloc(hashBytes)
  bytes.writeBigUInt64BE(value)
  return bytes
}
