import { endAccount } from '../accounts/end-account.ts'
import { localpartOf } from '../protocol/ids.ts'
import type { ServerName, UserId } from '../protocol/ids.ts'
import { findAccount } from '../store/accounts.ts'
import type { Tx } from '../store/database.ts'
import { listErasurePeers, putPeer } from '../store/erasure-peers.ts'
import type { PeerState } from '../store/erasure-peers.ts'
import { findErasureById, listErasureIds, listErasures } from '../store/erasures.ts'
import { findFact, putFact } from '../store/facts.ts'
import { findInboundErasure } from '../store/inbound-erasures.ts'
import { user as userLock } from '../store/locks.ts'
import { findServerNid } from '../store/servers.ts'
import { putTombstone } from '../store/tombstones.ts'
import { findUserId, putUser } from '../store/users.ts'
import type { PrivacyDeps } from './deps.ts'
import { journalFact } from './erasure-journal.ts'
import { AlreadyErasing, lockForErasure } from './erasure/lock.ts'
import { lockOf, makeStricter } from './erasure/request.ts'
import { cancelStored } from './erasure/operate.ts'
import { workOn } from './erasure/worker.ts'
import { applyInbound } from './inbound/receive-erasure.ts'
import type { ErasureEntry, JournalLine } from './journal.ts'

/**
 * Does again what the journal has and the database lacks (a restored backup, or a crash between the line and the
 * transaction): LOCKED with the original T0, and SCRUB, before anything is served. The jobs then go on by themselves.
 */
export async function replayJournal(deps: PrivacyDeps): Promise<void> {
  const lines = deps.journal.file.after(0)
  const known = Number((await deps.database.read((conn) => findFact(conn, journalFact))) ?? 0)
  if (known > deps.journal.file.lastSeq) return rebuildJournal(deps)
  const voided = new Set(lines.flatMap(({ entry }) => (entry.kind === 'void' ? [entry.line] : [])))
  const cancelled = new Set(lines.flatMap(({ entry }) => (entry.kind === 'cancellation' ? [entry.id] : [])))
  const present = await deps.database.read(listErasureIds)
  let replayed = 0
  for (const line of lines) {
    const { entry, seq } = line
    if (voided.has(seq)) continue
    if (entry.kind === 'erasure' && !present.has(entry.id)) {
      replayed++
      if (cancelled.has(entry.id)) await replayDeactivation(deps, entry.user, entry.ts, seq)
      else await replayErasure(deps, entry, seq)
    } else if (seq > known) {
      replayed++
      await replayOther(deps, line)
    }
  }
  if (known < deps.journal.file.lastSeq)
    await deps.database.write((tx) => deps.journal.note(tx, deps.journal.file.lastSeq))
  if (replayed > 0) deps.log.warn('lines of the journal of erasures were replayed', { lines: replayed })
}

async function replayErasure(deps: PrivacyDeps, entry: ErasureEntry, seq: number): Promise<void> {
  let nid: number | undefined
  try {
    const userNid = await deps.database.write((tx) => putUser(tx, entry.user))
    nid = await deps.database.write(
      async (tx) => {
        const { user: userId, ts } = entry
        await putTombstone(tx, { localpart: localpartOf(userId), userId, reason: 'erased', ts })
        return lockForErasure(tx, deps, lockOf(entry, userNid, seq))
      },
      { locks: [userLock(userNid)] },
    )
  } catch (error) {
    // the database has another erasure of the same person
    if (!(error instanceof AlreadyErasing)) throw error
    return
  }
  await workOn(deps, nid, { signal: deps.eraser.signal, before: ['REDACT', 'PART'] })
}

async function replayDeactivation(deps: PrivacyDeps, userId: UserId, ts: number, seq: number): Promise<void> {
  const userNid = await deps.database.write((tx) => putUser(tx, userId))
  await deps.database.write(
    async (tx) => {
      await deps.journal.note(tx, seq)
      await putTombstone(tx, { localpart: localpartOf(userId), userId, reason: 'deactivated', ts })
      const account = await findAccount(tx, userNid)
      if (account !== undefined && account.deactivated_ts === null)
        await endAccount(tx, deps, { userNid, userId, reason: 'deactivated', ts })
    },
    { locks: [userLock(userNid)] },
  )
}

async function replayOther(deps: PrivacyDeps, { entry, seq }: JournalLine): Promise<void> {
  switch (entry.kind) {
    case 'deactivation':
      return replayDeactivation(deps, entry.user, entry.ts, seq)
    case 'inbound':
      return deps.database.write(async (tx) => {
        const userNid = await putUser(tx, entry.user)
        const row = await findInboundErasure(tx, userNid)
        if (row === undefined || row.received_ts < entry.ts)
          await applyInbound(tx, deps, { userId: entry.user, userNid, ts: entry.ts, until: entry.until, seq })
      })
    case 'cancellation':
      return deps.database.write((tx) => withErasure(tx, entry.id, (row) => cancelStored(tx, deps, row)))
    case 'stricter':
      return deps.database.write((tx) => withErasure(tx, entry.id, (row) => makeStricter(tx, deps, row)))
    case 'peer':
      return deps.database.write((tx) =>
        withErasure(tx, entry.id, async ({ erasure_nid: nid }) => {
          const serverNid = await findServerNid(tx, entry.server as ServerName)
          if (
            serverNid === undefined ||
            !(await listErasurePeers(tx, nid)).some((peer) => peer.server_nid === serverNid)
          )
            return
          await putPeer(tx, nid, serverNid, {
            state: entry.state as PeerState,
            nextTs: Number.MAX_SAFE_INTEGER,
            ts: entry.ts,
            error: null,
          })
        }),
      )
    default:
      return undefined
  }
}

async function withErasure(
  tx: Tx,
  id: string,
  fn: (row: NonNullable<Awaited<ReturnType<typeof findErasureById>>>) => Promise<void>,
): Promise<void> {
  const row = await findErasureById(tx, id)
  if (row !== undefined) await fn(row)
}

/** The operator accepts that lines are lost: what the database knows of erasures is written down anew. */
async function rebuildJournal(deps: PrivacyDeps): Promise<void> {
  const { journal, database } = deps
  const written = new Set(journal.file.after(0).flatMap(({ entry }) => (entry.kind === 'erasure' ? [entry.id] : [])))
  for (const row of await database.read(listErasures)) {
    const user = await database.read((conn) => findUserId(conn, row.user_nid))
    if (user === undefined || written.has(row.id)) continue
    const ts = row.locked_ts ?? row.requested_ts
    await journal.append({
      kind: 'erasure',
      ts,
      user,
      mode: row.mode === 'forget' ? 'forget' : 'redact',
      id: row.id,
      deadline: row.deadline_ts,
      receipt: row.receipt_hash,
      salt: row.salt.toString('base64'),
      by: row.requested_by,
      delay: row.not_before_ts - ts,
    })
    if (row.state === 'CANCELLED')
      await journal.append({ kind: 'cancellation', ts: deps.clock.now(), user, id: row.id })
  }
  await database.write((tx) => putFact(tx, journalFact, String(journal.file.lastSeq)))
  deps.log.error('ALARM: lines of the journal of erasures are lost; it was written anew from the database')
}
