import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { decodeBase64, encodeBase64, toUrlSafe, unpad } from './base64.ts'
import { canonicalJson } from './canonical-json.ts'
import type { RoomEvent } from './event.ts'
import { contentHash } from './hash.ts'
import { parseKeyId, type KeyId, type ServerName } from './ids.ts'
import { isJsonObject, memberOf } from './json.ts'
import type { JsonObject } from './json-types.ts'
import { essentialJson } from './redact.ts'
import type { RoomVersion } from './room-version.ts'

/** An Ed25519 key pair for signing, parsed once. */
export interface SigningKey {
  readonly keyId: KeyId
  /** 32 bytes, unpadded base64. */
  readonly publicKey: string
  /** 32 bytes: the secret. */
  readonly seed: Uint8Array
  readonly privateKey: KeyObject
}

/** What stands before the 32 bytes of the seed in PKCS#8 (RFC 8410). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const versionLetters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_'
const maxCachedKeys = 4096
const publicKeys = new Map<string, KeyObject>()

/** Makes a new signing key, with a random version such as `a_Xf3k`. `randomBytes` returns so many secure random bytes. */
export function generateSigningKey(randomBytes: (size: number) => Uint8Array): SigningKey {
  // 63 of 64 letters: the last is reached by two values, which does no harm in a name.
  const letters = Array.from(randomBytes(4), (byte) => versionLetters[Math.min(byte % 64, 62)]).join('')
  return signingKeyFromSeed(`ed25519:a_${letters}`, randomBytes(32))
}

/** The signing key of a seed of 32 bytes. Throws RangeError for another length. */
export function signingKeyFromSeed(keyId: KeyId, seed: Uint8Array): SigningKey {
  if (seed.length !== 32) throw new RangeError('an Ed25519 seed has 32 bytes')
  const privateKey = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  return { keyId, publicKey: encodeBase64(Buffer.from(x ?? '', 'base64url')), seed, privateKey }
}

/** Reads `ed25519 <version> <seed in base64>`, the form in which signing keys are kept in files; undefined where it is not that. */
export function parseSigningKey(line: string): SigningKey | undefined {
  const [algorithm, version, seedText, ...rest] = line.trim().split(/\s+/)
  const keyId = parseKeyId(`${algorithm}:${version}`)
  const seed = seedText === undefined ? undefined : decodeBase64(seedText)
  if (keyId === undefined || seed?.length !== 32 || rest.length > 0) return undefined
  return signingKeyFromSeed(keyId, seed)
}

/** Writes a signing key as `parseSigningKey` reads it, without a line end. */
export function formatSigningKey(key: SigningKey): string {
  return `ed25519 ${key.keyId.slice('ed25519:'.length)} ${encodeBase64(key.seed)}`
}

/** Signs the UTF-8 form of a text; returns unpadded base64. */
export function signText(text: string, key: SigningKey): string {
  return unpad(sign(null, Buffer.from(text), key.privateKey).toString('base64'))
}

/** Whether a signature (base64) of a text by an Ed25519 public key (base64) is right. Anything malformed is not. */
export function verifyText(text: string, signature: string, publicKey: string): boolean {
  const bytes = decodeBase64(signature)
  if (bytes?.length !== 64) return false
  const key = importPublicKey(publicKey)
  return key !== undefined && verify(null, Buffer.from(text), key, bytes)
}

/** Whether the text is base64 of an Ed25519 public key: 32 bytes. */
export function isPublicKey(publicKey: string): boolean {
  return decodeBase64(publicKey)?.length === 32
}

/** A copy of the object with our signature added to its `signatures` (appendices, "Signing JSON"). */
export function signJson(object: JsonObject, serverName: string, key: SigningKey): JsonObject {
  return addSignature(object, serverName, key.keyId, signText(signedPart(object), key))
}

/** Whether the object bears a right signature of this server by this key (appendices, "Checking for a Signature"). */
export function verifyJson(object: JsonObject, serverName: string, keyId: string, publicKey: string): boolean {
  const signature = signatureOf(object, serverName, keyId)
  return signature !== undefined && verifyText(signedPart(object), signature, publicKey)
}

/**
 * A copy of a PDU with its content hash and our signature (server-server API, "Adding hashes and signatures to
 * outgoing events"). Signatures that it already bears stay.
 */
export function signEvent(version: RoomVersion, pdu: JsonObject, serverName: string, key: SigningKey): JsonObject {
  return cosignEvent(version, { ...pdu, hashes: { sha256: contentHash(version, pdu) } }, serverName, key)
}

/** A copy of a PDU with our signature added and nothing else changed, so that its event id stays. */
export function cosignEvent(version: RoomVersion, pdu: JsonObject, serverName: string, key: SigningKey): JsonObject {
  return addSignature(pdu, serverName, key.keyId, signText(essentialJson(version, pdu), key))
}

/** Whether an event, whole or redacted, bears a right signature of this server by this key. */
export function verifyEventSignature(event: RoomEvent, serverName: string, keyId: string, publicKey: string): boolean {
  const signature = signatureOf(event.pdu, serverName, keyId)
  return signature !== undefined && verifyText(essentialJson(event.version, event.pdu), signature, publicKey)
}

/** The signature of this server by this key that the object bears, unverified. */
export function signatureOf(object: JsonObject, serverName: string, keyId: string): string | undefined {
  const signatures = memberOf(object, 'signatures')
  const ofServer = isJsonObject(signatures) ? memberOf(signatures, serverName) : undefined
  const signature = isJsonObject(ofServer) ? memberOf(ofServer, keyId) : undefined
  return typeof signature === 'string' ? signature : undefined
}

/** The ids of the Ed25519 keys with which this server claims to have signed the object. */
export function signingKeyIds(object: JsonObject, serverName: ServerName): KeyId[] {
  const signatures = memberOf(object, 'signatures')
  const ofServer = isJsonObject(signatures) ? memberOf(signatures, serverName) : undefined
  if (!isJsonObject(ofServer)) return []
  return Object.keys(ofServer).filter((keyId): keyId is KeyId => parseKeyId(keyId) !== undefined)
}

/** A copy of the object with a signature added. */
export function addSignature(object: JsonObject, serverName: string, keyId: string, signature: string): JsonObject {
  const signatures = isJsonObject(object.signatures) ? object.signatures : {}
  const own = memberOf(signatures, serverName)
  const ofServer = { ...(isJsonObject(own) ? own : {}), [keyId]: signature }
  return { ...object, signatures: { ...signatures, [serverName]: ofServer } }
}

function signedPart(object: JsonObject): string {
  const { signatures: _signatures, unsigned: _unsigned, ...signed } = object
  return canonicalJson(signed)
}

/** Building a key costs as much as using it, so parsed keys are kept; the oldest goes when there are too many. */
function importPublicKey(publicKey: string): KeyObject | undefined {
  const cached = publicKeys.get(publicKey)
  if (cached !== undefined) return cached
  if (!isPublicKey(publicKey)) return undefined
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: toUrlSafe(publicKey) }
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  if (publicKeys.size >= maxCachedKeys) {
    for (const oldest of publicKeys.keys()) {
      publicKeys.delete(oldest)
      break
    }
  }
  publicKeys.set(publicKey, key)
  return key
}
