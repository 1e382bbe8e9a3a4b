import { tables } from '../../../schema/tables/index.ts'
import { sweepBlobs } from '../../media/remove.ts'
import { findFact, raiseFact } from '../../store/facts.ts'
import type { PrivacyDeps } from '../deps.ts'

/** Begin of the last rewrite that was finished. */
const doneFact = 'rewrite_ts'
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** Tables that hold anything of a person: those that a rewrite must reach. */
export const personalTables: readonly string[] = tables
  .filter(({ map }) => map.erasure === 'delete' || map.erasure === 'prune')
  .map(({ name }) => name)

/** When the database may be rewritten next, for a job with this deadline (ms). */
export async function rewriteDueTs(
  deps: Pick<PrivacyDeps, 'database' | 'clock' | 'config'>,
  deadlineTs: number,
): Promise<number> {
  const { everyMs, window } = deps.config.erasure.rewrite
  const last = Number((await deps.database.read((conn) => findFact(conn, doneFact))) ?? 0)
  const earliest = Math.max(deps.clock.now(), last + everyMs)
  const wished = window === null ? earliest : nextInWindow(window, earliest)
  // the promise of 30 days comes before the wish for a quiet hour
  return Math.max(deps.clock.now(), Math.min(wished, deadlineTs - 6 * hourMs))
}

/** The next moment from `ts` on in a window of the day, `02:00-05:00`, in UTC. Pure. */
export function nextInWindow(window: string, ts: number): number {
  const [, fromHour, fromMinute, toHour, toMinute] = /^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$/.exec(window) ?? []
  if (toMinute === undefined) return ts
  const from = Number(fromHour) * hourMs + Number(fromMinute) * 60_000
  const length = (Number(toHour) * hourMs + Number(toMinute) * 60_000 - from + dayMs) % dayMs || dayMs
  const into = (((ts - from) % dayMs) + dayMs) % dayMs
  return into < length ? ts : ts + dayMs - into
}

/** Whether a rewrite that began at or after `ts` was finished. */
export async function wasRewrittenSince(deps: Pick<PrivacyDeps, 'database'>, ts: number): Promise<boolean> {
  return Number((await deps.database.read((conn) => findFact(conn, doneFact))) ?? -1) >= ts
}

/** Rewrites the database so that what was deleted is gone from free pages, indexes, statistics and the log. */
export async function rewriteNow(
  deps: Pick<PrivacyDeps, 'database' | 'clock' | 'blobFiles' | 'eraser' | 'log'>,
): Promise<void> {
  const asked = deps.clock.now()
  await deps.eraser.alone('rewrite', async () => {
    if (await wasRewrittenSince(deps, asked)) return
    const began = deps.clock.now()
    await sweepBlobs(deps)
    await deps.database.rewrite(personalTables)
    await deps.database.write((tx) => raiseFact(tx, doneFact, began))
    deps.log.info('the database was rewritten')
  })
}
