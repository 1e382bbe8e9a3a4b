import { parseKeyId, parseServerName, type KeyId, type ServerName } from '../protocol/ids.ts'
import { isJsonObject, memberOf } from '../protocol/json.ts'
import type { Json, JsonObject } from '../protocol/json-types.ts'
import { isPublicKey, signJson, verifyJson, type SigningKey } from '../protocol/sign.ts'
import { unpad } from '../protocol/base64.ts'

/** An old key of a server: it verifies events up to `expiredTs`. */
export interface OldKey {
  readonly keyId: KeyId
  readonly publicKey: string
  readonly expiredTs: number
}

/** What a server says of its keys. */
export interface KeyDocument {
  readonly server: ServerName
  readonly validUntilTs: number
  /** those in use that also signed the document */
  readonly current: readonly { readonly keyId: KeyId; readonly publicKey: string }[]
  readonly old: readonly OldKey[]
  /** the document, with the signatures of its server only */
  readonly json: JsonObject
}

const maxCurrent = 32
const maxOld = 256

/**
 * Reads a key document (server-server API, "Publishing Keys"). Undefined where it is malformed or no key in it signed
 * it; a key that did not sign it does not count. `expected`: the server that it must be of.
 */
export function parseKeyDocument(value: Json, expected: ServerName): KeyDocument | undefined {
  if (!isJsonObject(value)) return undefined
  const server = parseServerName(memberOf(value, 'server_name'))
  const validUntilTs = memberOf(value, 'valid_until_ts')
  if (server !== expected || !isTimestamp(validUntilTs)) return undefined
  const current = entries(value, 'verify_keys', maxCurrent)
    .filter(({ keyId, publicKey }) => verifyJson(value, server, keyId, publicKey))
    .map(({ keyId, publicKey }) => ({ keyId, publicKey }))
  if (current.length === 0) return undefined
  const inUse = new Set(entries(value, 'verify_keys', maxCurrent).map(({ keyId }) => keyId))
  const old: OldKey[] = []
  for (const { keyId, publicKey, entry } of entries(value, 'old_verify_keys', maxOld)) {
    const expiredTs = memberOf(entry, 'expired_ts')
    if (!inUse.has(keyId) && isTimestamp(expiredTs)) old.push({ keyId, publicKey, expiredTs })
  }
  return { server, validUntilTs, current, old, json: signedByOnly(value, server) }
}

/** Our own key document. */
export function makeKeyDocument(
  server: ServerName,
  key: SigningKey,
  old: readonly OldKey[],
  validUntilTs: number,
): JsonObject {
  const document = {
    server_name: server,
    verify_keys: { [key.keyId]: { key: key.publicKey } },
    old_verify_keys: Object.fromEntries(
      old.map(({ keyId, publicKey, expiredTs }) => [keyId, { key: publicKey, expired_ts: expiredTs }]),
    ),
    valid_until_ts: validUntilTs,
  }
  return signJson(document, server, key)
}

function entries(
  document: JsonObject,
  name: string,
  most: number,
): { keyId: KeyId; publicKey: string; entry: JsonObject }[] {
  const keys = memberOf(document, name)
  const found: { keyId: KeyId; publicKey: string; entry: JsonObject }[] = []
  for (const [id, entry] of isJsonObject(keys) ? Object.entries(keys).slice(0, most) : []) {
    const keyId = parseKeyId(id)
    const publicKey = isJsonObject(entry) ? memberOf(entry, 'key') : undefined
    if (keyId === undefined || typeof publicKey !== 'string' || !isPublicKey(publicKey)) continue
    found.push({ keyId, publicKey: unpad(publicKey), entry: entry as JsonObject })
  }
  return found
}

function isTimestamp(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function signedByOnly(document: JsonObject, server: ServerName): JsonObject {
  const signatures = memberOf(document, 'signatures') as JsonObject
  return { ...document, signatures: { [server]: memberOf(signatures, server) as Json } }
}
