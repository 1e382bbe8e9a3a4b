import { FederationError } from '../../federation/errors.ts'
import { isUnsupported } from '../../federation/client.ts'
import { claimPeer, listDuePeers, putPeer } from '../../store/erasure-peers.ts'
import type { DuePeer, PeerState } from '../../store/erasure-peers.ts'
import { backoffMs } from '../../util/backoff.ts'
import { Semaphore } from '../../util/semaphore.ts'
import type { PrivacyDeps } from '../deps.ts'
import { lastTryMs } from './part.ts'

const minuteMs = 60_000
/** Longer than any request: whoever was killed in the middle of one is followed by the next try soon. */
const claimMs = 65_000
const dayMs = 86_400_000
const monthMs = 30 * dayMs
const atOnce = 16
const pageSize = 200

/** What a server's answer means: its state, and when it is asked again. */
export interface PeerAnswer {
  readonly state: PeerState
  readonly nextTs: number
  readonly error: string | null
}

/**
 * FORWARD (ERASURE.md section 5): tells the servers that are due, each by itself, and notes what they answered. A server
 * that acknowledged is never told again. Gives whether a server has come to its final state.
 */
export async function forwardDue(deps: PrivacyDeps): Promise<boolean> {
  const slots = new Semaphore(atOnce)
  let isAnyFinal = false
  for (;;) {
    const now = deps.clock.now()
    const due = await deps.database.read((conn) => listDuePeers(conn, now, pageSize))
    const finals = await Promise.all(due.map((peer) => slots.run(() => tell(deps, peer))))
    isAnyFinal ||= finals.includes(true)
    if (due.length < pageSize) return isAnyFinal
  }
}

async function tell(deps: PrivacyDeps, peer: DuePeer): Promise<boolean> {
  const { erasure_nid: nid, server_nid: serverNid } = peer
  const now = deps.clock.now()
  const isOver = now >= peer.locked_ts + lastTryMs
  // nobody else asks meanwhile; a worker that dies now leaves it to the next try
  const attempts = await deps.database.write((tx) => claimPeer(tx, nid, serverNid, now, now + claimMs))
  if (attempts === undefined) return false
  const answer: PeerAnswer = isOver
    ? { state: peer.state === 'unsupported' ? 'unsupported' : 'expired', nextTs: Number.MAX_SAFE_INTEGER, error: null }
    : await ask(deps, peer, attempts)
  if (answer.state === 'refused')
    deps.log.error('ALARM: a server refuses an erasure', { erasure: peer.id, host: peer.host })
  const ts = deps.clock.now()
  const isFinal = answer.state !== 'pending' && answer.nextTs === Number.MAX_SAFE_INTEGER
  const line = isFinal
    ? await deps.journal.append({ kind: 'peer', ts, id: peer.id, server: peer.host, state: answer.state })
    : undefined
  await deps.database.write(async (tx) => {
    if (line !== undefined) await deps.journal.note(tx, line.seq)
    await putPeer(tx, nid, serverNid, { ...answer, ts })
  })
  return isFinal
}

async function ask(deps: PrivacyDeps, peer: DuePeer, attempts: number): Promise<PeerAnswer> {
  try {
    await deps.federation.userErase(peer.host, peer.user_id)
    return { state: 'acknowledged', nextTs: Number.MAX_SAFE_INTEGER, error: null }
  } catch (error) {
    return judgeFailure(error, { now: deps.clock.now(), attempts, lockedTs: peer.locked_ts })
  }
}

/** What a request that was not acknowledged means. Pure. */
export function judgeFailure(
  error: unknown,
  asked: { readonly now: number; readonly attempts: number; readonly lockedTs: number },
): PeerAnswer {
  const { now, attempts, lockedTs } = asked
  const endTs = lockedTs + lastTryMs
  const status = error instanceof FederationError ? error.remote?.status : undefined
  if (isUnsupported(error))
    return { state: 'unsupported', nextTs: Math.min(now + monthMs, endTs), error: String(status) }
  if (status === 403) return { state: 'refused', nextTs: Number.MAX_SAFE_INTEGER, error: '403' }
  const told = status === 429 && error instanceof FederationError ? error.remote?.retryAfterMs : undefined
  const waitMs = told ?? backoffMs({ initialMs: 10 * minuteMs, maxMs: 7 * dayMs }, attempts)
  const reason = status === undefined ? (error instanceof FederationError ? error.kind : 'error') : String(status)
  return { state: 'pending', nextTs: Math.min(now + waitMs, Math.max(endTs, now + minuteMs)), error: reason }
}
