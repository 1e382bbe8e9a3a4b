import { MatrixError } from '../../protocol/errors.ts'
import { serverNameOf } from '../../protocol/ids.ts'
import type { ServerName, UserId } from '../../protocol/ids.ts'
import type { Tx } from '../../store/database.ts'
import { findInboundErasure, putInboundErasure } from '../../store/inbound-erasures.ts'
import { user as userLock } from '../../store/locks.ts'
import { deleteAllEdusOfUser, deleteRowsOfSubject, pruneMembershipsOfUser, scrubbedTables } from '../../store/scrub.ts'
import { findUserNid } from '../../store/users.ts'
import type { PrivacyDeps } from '../deps.ts'
import { markErased } from '../erasure/lock.ts'
import { scrubStrippedState } from '../erasure/scrub-stripped.ts'

type Deps = Pick<
  PrivacyDeps,
  'database' | 'clock' | 'config' | 'journal' | 'erased' | 'changes' | 'eraser' | 'serverName' | 'log'
>

/** More rows than a server keeps of a user of another server. */
const mostRows = 100_000

/**
 * An erasure that another server asks for (MSC2438; ERASURE.md section 5, "Inbound"): only the user's own server may.
 * When this returns it is written down and nobody new sees what the user wrote; stored content goes after the quarantine.
 * A user whom no row names needs nothing. Throws `M_FORBIDDEN`.
 */
export async function receiveErasure(deps: Deps, origin: ServerName, userId: UserId): Promise<void> {
  if (serverNameOf(userId) !== origin)
    throw new MatrixError('M_FORBIDDEN', 'Only the server of a user may ask for their erasure')
  if (!deps.config.erasure.inbound.enabled) throw new MatrixError('M_UNRECOGNIZED', 'Erasures are not accepted here')
  const userNid = await deps.database.read((conn) => findUserNid(conn, userId))
  if (userNid === undefined) return
  await deps.eraser.alone(userId, async () => {
    const known = await deps.database.read((conn) => findInboundErasure(conn, userNid))
    // asked for again, and nothing new was written since
    if (known !== undefined && known.erased_ts !== null && known.returned_ts === null) return
    const ts = deps.clock.now()
    const until = ts + deps.config.erasure.inbound.quarantineMs
    const record = await deps.journal.begin(
      { kind: 'inbound', ts, user: userId, until },
      async (conn) => (await findInboundErasure(conn, userNid))?.received_ts === ts,
    )
    try {
      await deps.database.write((tx) => applyInbound(tx, deps, { userId, userNid, ts, until, seq: record.seq }), {
        locks: [userLock(userNid)],
      })
    } catch (error) {
      await record.abandoned()
      throw error
    }
    deps.eraser.wake()
  })
}

/** What an inbound erasure does at once, in the caller's transaction. */
export async function applyInbound(
  tx: Tx,
  deps: Pick<PrivacyDeps, 'journal' | 'erased' | 'changes' | 'config'>,
  asked: {
    readonly userId: UserId
    readonly userNid: number
    readonly ts: number
    readonly until: number
    readonly seq: number
  },
): Promise<void> {
  const { userId, userNid, ts, until, seq } = asked
  await deps.journal.note(tx, seq)
  await putInboundErasure(tx, { userNid, receivedTs: ts, untilTs: until, seq })
  await markErased(tx, deps, { userNid, mode: deps.config.erasure.mode, ts })
  await pruneMembershipsOfUser(tx, userNid)
  await deleteAllEdusOfUser(tx, userNid)
  await scrubStrippedState(tx, userId)
  for (const table of scrubbedTables) await deleteRowsOfSubject(tx, table, { userNid, userId }, mostRows)
}
