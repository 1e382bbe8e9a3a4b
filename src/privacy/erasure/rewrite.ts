import { tables } from '../../../schema/tables/index.ts'
import { sweepBlobs } from '../../media/remove.ts'
import { deletedFact, findFact, raiseFact } from '../../store/facts.ts'
import type { PrivacyDeps } from '../deps.ts'

/** Begin of the last rewrite that was finished. */
const doneFact = 'rewrite_ts'
const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** Tables that hold anything of a person: those that a rewrite must reach. */
export const personalTables: readonly string[] = tables
  .filter(({ map }) => map.erasure === 'delete' || map.erasure === 'prune')
  .map(({ name }) => name)

/** When a rewrite for a job with this deadline (ms) is due; undefined: it is. */
export async function rewriteWaitsUntil(
  deps: Pick<PrivacyDeps, 'database' | 'clock' | 'config'>,
  deadlineTs: number,
): Promise<number | undefined> {
  const last = Number((await deps.database.read((conn) => findFact(conn, doneFact))) ?? 0)
  // read once, and after the wait for the database: a moment taken before it is never as late as one taken after it
  return rewriteWait(deps.config.erasure.rewrite, { now: deps.clock.now(), last, deadlineTs })
}

/** As `rewriteWaitsUntil`, for a last rewrite that began at `last`. Pure. */
export function rewriteWait(
  { everyMs, window }: PrivacyDeps['config']['erasure']['rewrite'],
  { now, last, deadlineTs }: { readonly now: number; readonly last: number; readonly deadlineTs: number },
): number | undefined {
  const earliest = Math.max(now, last + everyMs)
  const wished = window === null ? earliest : nextInWindow(window, earliest)
  // the promise of 30 days comes before the wish for a quiet hour
  const dueTs = Math.min(wished, deadlineTs - 6 * hourMs)
  return dueTs > now ? dueTs : undefined
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

/**
 * Rewrites the database for what was deleted outside of a job, when that is due. Gives when it will be, undefined where
 * nothing waits for it.
 */
export async function rewriteIfDeleted(deps: PrivacyDeps): Promise<number | undefined> {
  const deletedTs = Number((await deps.database.read((conn) => findFact(conn, deletedFact))) ?? -1)
  if (deletedTs < 0 || (await wasRewrittenSince(deps, deletedTs))) return undefined
  const untilTs = await rewriteWaitsUntil(deps, deletedTs + 30 * dayMs)
  if (untilTs === undefined) await rewriteNow(deps)
  return untilTs
}
