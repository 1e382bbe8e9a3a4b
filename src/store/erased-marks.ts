import { sqlRun } from './query.ts'
import type { Tx } from './database.ts'

const put = sqlRun<{ nid: number; ts: number; mode: string }>(
  'putUserErased',
  'update users set erased_ts = :ts, erasure_mode = :mode, returned_ts = null where user_nid = :nid',
)
const clear = sqlRun<{ nid: number }>(
  'deleteUserErased',
  'update users set erased_ts = null, erasure_mode = null, returned_ts = null where user_nid = :nid',
)
const setMode = sqlRun<{ nid: number; mode: string }>(
  'putUserErasureMode',
  'update users set erasure_mode = :mode where user_nid = :nid and erased_ts is not null',
)

/** Marks a user as erased: what they wrote is pruned where it is read. */
export async function putUserErased(
  tx: Tx,
  nid: number,
  erased: { ts: number; mode: 'redact' | 'forget' },
): Promise<void> {
  await put(tx, { nid, ...erased })
}

/** Takes the mark away, when an erasure was cancelled. */
export async function deleteUserErased(tx: Tx, nid: number): Promise<void> {
  await clear(tx, { nid })
}

/** Makes an erasure stricter. */
export async function putUserErasureMode(tx: Tx, nid: number, mode: 'redact' | 'forget'): Promise<void> {
  await setMode(tx, { nid, mode })
}
