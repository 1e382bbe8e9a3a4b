import { and, eq } from 'drizzle-orm'
import { state_keys } from '../../schema/tables/events.ts'
import type { StateKey } from '../protocol/auth/state.ts'
import type { Conn, Tx } from './database.ts'
import { insertMany } from './insert-many.ts'
import { query, sqlQuery } from './query.ts'

const find = query<{ type: string; stateKey: string }>('findStateKey')(({ db, t, p }) =>
  db
    .select({ nid: t(state_keys).state_key_nid })
    .from(t(state_keys))
    .where(and(eq(t(state_keys).type, p.type), eq(t(state_keys).state_key, p.stateKey))),
)
const insert = query<{ type: string; stateKey: string }>('insertStateKey')(({ db, t, p }) =>
  db
    .insert(t(state_keys))
    .values({ type: p.type, state_key: p.stateKey })
    .onConflictDoNothing()
    .returning({ nid: t(state_keys).state_key_nid }),
)
const insertRows = insertMany('insertStateKeys', state_keys, ['type', 'state_key'], { onConflict: 'nothing' })
const listByNids = query<{ nids: readonly number[] }>('listStateKeys')(({ db, t, p, anyOf }) =>
  db
    .select({ nid: t(state_keys).state_key_nid, type: t(state_keys).type, stateKey: t(state_keys).state_key })
    .from(t(state_keys))
    .where(anyOf(t(state_keys).state_key_nid, p.nids)),
)
const listByPairs = sqlQuery<
  { pairs: readonly (readonly [string, string])[] },
  { nid: number; type: string; state_key: string }
>('listStateKeysByPairs', {
  sqlite: `select k.state_key_nid as nid, k.type, k.state_key from json_each(:pairs) j join state_keys k
      on k.type = json_extract(j.value, '$[0]') and k.state_key = json_extract(j.value, '$[1]')`,
  postgres: `select k.state_key_nid as nid, k.type, k.state_key from jsonb_array_elements(:pairs::jsonb) j
      join state_keys k on k.type = j->>0 and k.state_key = j->>1`,
})

/** A place in the state, with its row id. */
export interface StateKeyRow extends StateKey {
  readonly nid: number
}

/** The row id of a (type, state key) pair, undefined for one that was never stored. */
export async function findStateKeyNid(conn: Conn, key: StateKey): Promise<number | undefined> {
  return (await find.first(conn, { type: key.type, stateKey: key.stateKey }))?.nid
}

/** The row id of a (type, state key) pair, made when it has none. */
export async function putStateKey(tx: Tx, key: StateKey): Promise<number> {
  const nid = await findStateKeyNid(tx, key)
  if (nid !== undefined) return nid
  const values = { type: key.type, stateKey: key.stateKey }
  const made = (await insert.first(tx, values)) ?? (await find.first(tx, values))
  if (made === undefined) throw new Error('a state key that was just interned is missing')
  return made.nid
}

/** The stored ones of these pairs. */
export async function listStateKeyNids(conn: Conn, keys: readonly StateKey[]): Promise<StateKeyRow[]> {
  if (keys.length === 0) return []
  const rows = await listByPairs(conn, { pairs: keys.map(({ type, stateKey }) => [type, stateKey] as const) })
  return rows.map(({ nid, type, state_key }) => ({ nid, type, stateKey: state_key }))
}

/** All of these pairs, made where they are new. */
export async function putStateKeys(tx: Tx, keys: readonly StateKey[]): Promise<StateKeyRow[]> {
  const found = await listStateKeyNids(tx, keys)
  if (found.length === keys.length) return found
  await insertRows(
    tx,
    keys.map(({ type, stateKey }) => ({ type, state_key: stateKey })),
  )
  return listStateKeyNids(tx, keys)
}

/** The pairs behind row ids, by row id. */
export async function listStateKeys(conn: Conn, nids: readonly number[]): Promise<Map<number, StateKeyRow>> {
  if (nids.length === 0) return new Map()
  return new Map((await listByNids(conn, { nids })).map((row) => [row.nid, row]))
}
