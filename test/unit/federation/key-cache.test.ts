import { expect, test } from 'vitest'
import { isUsable, mergeDocument, own } from '../../../src/federation/key-cache.ts'
import type { KeyDocument } from '../../../src/federation/key-document.ts'
import type { KeyId, ServerName } from '../../../src/protocol/ids.ts'
import type { ServerKey } from '../../../src/store/server-keys.ts'

const dayMs = 24 * 3_600_000
const now = 100 * dayMs
const keyId = 'ed25519:1' as KeyId
const notary = 'notary.test'

function told(publicKey: string, more: Partial<KeyDocument> = {}): KeyDocument {
  const current = [{ keyId, publicKey }]
  return { server: 'peer.test' as ServerName, validUntilTs: now + dayMs, current, old: [], json: {}, ...more }
}

/** What is known after these documents, one a day. */
function after(...documents: readonly (readonly [source: string, document: KeyDocument])[]): ServerKey {
  let known: ReadonlyMap<KeyId, ServerKey> = new Map()
  for (const [source, document] of documents) known = mergeDocument(known, document, source, now)
  const key = known.get(keyId)
  if (key === undefined) throw new Error('the key is not known')
  return key
}

test('the server itself replaces what it or a notary told of its key', () => {
  expect(after([own, told('first')], [own, told('second')]).publicKey).toBe('second')
  expect(after([notary, told('lie')], [own, told('truth')])).toMatchObject({ publicKey: 'truth', source: own })
})

test('a notary replaces no key: neither that of the server nor that which another notary told', () => {
  expect(after([own, told('truth')], [notary, told('lie')])).toMatchObject({ publicKey: 'truth', source: own })
  expect(after([notary, told('first')], ['other.test', told('second')]).publicKey).toBe('first')
})

test('a notary prolongs the key that is known, and none by telling another one', () => {
  const later = { validUntilTs: now + 3 * dayMs }
  expect(after([own, told('truth')], [notary, told('truth', later)]).validUntilTs).toBe(now + 3 * dayMs)
  expect(after([own, told('truth')], [notary, told('lie', later)]).validUntilTs).toBe(now + dayMs)
})

test('a notary shortens no key, and ends none that the server told', () => {
  const earlier = { validUntilTs: now + 1 }
  expect(after([own, told('truth')], [notary, told('truth', earlier)]).validUntilTs).toBe(now + dayMs)
  const ended = told('truth', { current: [], old: [{ keyId, publicKey: 'truth', expiredTs: now - dayMs }] })
  expect(after([own, told('truth')], [notary, ended]).expiredTs).toBeNull()
  expect(after([notary, told('truth')], ['other.test', ended]).expiredTs).toBe(now - dayMs)
})

test('a notary neither brings back a key that has ended nor moves its end', () => {
  const endedAt = (expiredTs: number) => told('old', { current: [], old: [{ keyId, publicKey: 'old', expiredTs }] })
  const ended = endedAt(now - dayMs)
  expect(after([notary, ended], ['other.test', endedAt(now)]).expiredTs).toBe(now - dayMs)
  const key = after([own, ended], [notary, told('old')])
  expect(key.expiredTs).toBe(now - dayMs)
  expect(isUsable(key, { kind: 'request', atTs: now, isValidityEnforced: true })).toBe(false)
})
