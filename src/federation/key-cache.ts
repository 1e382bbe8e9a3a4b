import { canonicalJson } from '../protocol/canonical-json.ts'
import type { KeyId } from '../protocol/ids.ts'
import type { ServerKey } from '../store/server-keys.ts'
import type { KeyDocument } from './key-document.ts'

/** The source of a key that its own server told. */
export const own = 'own'
const weekMs = 7 * 24 * 3_600_000

/** For what a key is wanted. */
export interface KeyUse {
  /** `request`: only a key that is in use now; `event`: also old keys, within their time */
  readonly kind: 'request' | 'event'
  /** the moment at which it must be valid */
  readonly atTs: number
  /** whether `valid_until_ts` counts (room versions from 5, requests) */
  readonly isValidityEnforced: boolean
}

/** Whether a key may be used so. */
export function isUsable(key: ServerKey, use: KeyUse): boolean {
  if (key.expiredTs !== null) return use.kind === 'event' && key.expiredTs >= use.atTs
  return !use.isValidityEnforced || key.validUntilTs >= use.atTs
}

/**
 * The keys of a server after a document came in, by key id. What the server itself says now wins over everything; a
 * notary adds keys and prolongs known ones, and never replaces one by another.
 */
export function mergeDocument(
  known: ReadonlyMap<KeyId, ServerKey>,
  document: KeyDocument,
  source: string,
  now: number,
): Map<KeyId, ServerKey> {
  const merged = new Map(known)
  const text = canonicalJson(document.json)
  // The lesser of what it says and a week: nobody can make a stolen key last.
  const validUntilTs = Math.min(document.validUntilTs, now + weekMs)
  const base = { source, fetchedTs: now, document: text }
  if (source === own) {
    for (const [keyId, key] of known) {
      if (key.expiredTs === null && key.validUntilTs > now) merged.set(keyId, { ...key, validUntilTs: now })
    }
  }
  const put = (key: ServerKey) => {
    const before = known.get(key.keyId)
    if (source === own || before === undefined) merged.set(key.keyId, key)
    else if (before.publicKey === key.publicKey && before.expiredTs === null)
      merged.set(key.keyId, prolonged(before, key))
  }
  for (const { keyId, publicKey, expiredTs } of document.old)
    put({ ...base, keyId, publicKey, validUntilTs: expiredTs, expiredTs })
  for (const { keyId, publicKey } of document.current) put({ ...base, keyId, publicKey, validUntilTs, expiredTs: null })
  return merged
}

function prolonged(before: ServerKey, told: ServerKey): ServerKey {
  if (told.expiredTs !== null) return before.source === own ? before : { ...before, expiredTs: told.expiredTs }
  if (told.validUntilTs <= before.validUntilTs) return before
  return { ...before, validUntilTs: told.validUntilTs, document: told.document }
}
