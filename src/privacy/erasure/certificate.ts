import { createHash } from 'node:crypto'
import { canonicalJson } from '../../protocol/canonical-json.ts'
import type { JsonObject } from '../../protocol/json-types.ts'
import { signJson } from '../../protocol/sign.ts'
import { insertCertificate, lockLastCertificateHash } from '../../store/certificates.ts'
import type { Tx } from '../../store/database.ts'
import { listErasurePeers } from '../../store/erasure-peers.ts'
import { findErasure } from '../../store/erasures.ts'
import type { PrivacyDeps } from '../deps.ts'
import { parseCounts } from './counts.ts'
import type { Job } from './job.ts'

/** The subject of a certificate: only who has the salt (it is in the receipt's answer) can tell whom it names. */
export function subjectHash(salt: Uint8Array, userId: string): string {
  return createHash('sha256').update(salt).update(userId).digest('base64url')
}

/** Issues the certificate of an erasure that is settled, signed with the server's key and bound to the one before. */
export async function issueCertificate(
  tx: Tx,
  deps: Pick<PrivacyDeps, 'serverName' | 'signingKey'>,
  job: Pick<Job, 'nid' | 'id' | 'userId' | 'mode' | 'lockedTs'>,
  settledTs: number,
): Promise<void> {
  const row = await findErasure(tx, job.nid)
  if (row === undefined) return
  const peers: Record<string, number> = {}
  for (const { state } of await listErasurePeers(tx, job.nid)) peers[state] = (peers[state] ?? 0) + 1
  const { deleted, pruned, redacted, not_redacted, kept } = parseCounts(row.counts)
  const plain: JsonObject = {
    type: 'org.lethe.erasure_certificate',
    version: 1,
    id: job.id,
    server: deps.serverName,
    subject: subjectHash(row.salt, job.userId),
    mode: job.mode,
    locked_ts: job.lockedTs,
    settled_ts: settledTs,
    content: 'gone',
    counts: { deleted, pruned, redacted, not_redacted, kept: kept.map((each) => ({ ...each })) },
    peers,
    previous: (await lockLastCertificateHash(tx)) ?? null,
  }
  const signed = signJson(plain, deps.serverName, deps.signingKey)
  const text = canonicalJson(signed)
  await insertCertificate(tx, job.nid, text, createHash('sha256').update(text).digest('hex'))
}
