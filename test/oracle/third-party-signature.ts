import { createPublicKey, verify } from 'node:crypto'
import { type OracleEvent, isObject, own } from './event.ts'

/** "If any signature in `signed` matches any public key in the `m.room.third_party_invite` event". */
export function isSignedByInviter(signed: unknown, offer: OracleEvent): boolean {
  const keys: unknown[] = [own(offer.content, 'public_key')]
  const more = own(offer.content, 'public_keys')
  if (Array.isArray(more)) keys.push(...more.map((entry) => own(entry, 'public_key')))
  const message = Buffer.from(canonical(without(signed)), 'utf8')
  for (const signature of signaturesOf(signed)) {
    for (const key of keys) if (typeof key === 'string' && isSignature(key, signature, message)) return true
  }
  return false
}

function signaturesOf(signed: unknown): string[] {
  const servers = own(signed, 'signatures')
  if (!isObject(servers)) return []
  return Object.values(servers)
    .flatMap((byKey) => (isObject(byKey) ? Object.entries(byKey) : []))
    .flatMap(([keyId, value]) => (keyId.startsWith('ed25519:') && typeof value === 'string' ? [value] : []))
}

function isSignature(key: string, signature: string, message: Buffer): boolean {
  const bytes = Buffer.from(key, 'base64')
  const made = Buffer.from(signature, 'base64')
  if (bytes.length !== 32 || made.length !== 64) return false
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }
  return verify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), made)
}

function without(signed: unknown): unknown {
  if (!isObject(signed)) return signed
  return Object.fromEntries(Object.entries(signed).filter(([name]) => name !== 'signatures' && name !== 'unsigned'))
}

/** Canonical JSON, for the plain values that these tests sign. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value)
  const names = Object.keys(value).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`
}
