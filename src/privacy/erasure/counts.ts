import type { Tx } from '../../store/database.ts'
import { findErasure, putErasureCounts } from '../../store/erasures.ts'

/** Something of the person that stays, and why. */
export interface Kept {
  readonly what: string
  readonly count: number
  readonly why: string
}

/** What an erasure has done so far, without a name or a content. */
export interface Counts {
  /** rows and files deleted, by table */
  readonly deleted: Readonly<Record<string, number>>
  /** stored events (and rows) of which only what a room needs is left */
  readonly pruned: number
  /** redactions sent */
  readonly redacted: number
  /** events that no redaction was sent for, by reason */
  readonly not_redacted: Readonly<Record<string, number>>
  readonly kept: readonly Kept[]
}

const none: Counts = { deleted: {}, pruned: 0, redacted: 0, not_redacted: {}, kept: [] }

/** The counts of a row. */
export function parseCounts(text: string): Counts {
  return { ...none, ...(JSON.parse(text) as Partial<Counts>) }
}

/** Adds to the numbers of what was deleted, in the transaction that deletes. */
export async function addDeleted(tx: Tx, erasureNid: number, deleted: Readonly<Record<string, number>>): Promise<void> {
  if (Object.values(deleted).every((n) => n === 0)) return
  await changeCounts(tx, erasureNid, (counts) => ({ ...counts, deleted: sum(counts.deleted, deleted) }))
}

/** Changes the counts of an erasure. */
export async function changeCounts(tx: Tx, erasureNid: number, change: (counts: Counts) => Counts): Promise<void> {
  const row = await findErasure(tx, erasureNid)
  if (row !== undefined) await putErasureCounts(tx, erasureNid, JSON.stringify(change(parseCounts(row.counts))))
}

function sum(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const total: Record<string, number> = { ...a }
  for (const [key, n] of Object.entries(b)) if (n > 0) total[key] = (total[key] ?? 0) + n
  return total
}
