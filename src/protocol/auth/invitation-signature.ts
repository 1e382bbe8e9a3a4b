import { parseKeyId } from '../ids.ts'
import { isJsonObject } from '../json.ts'
import type { Json, JsonObject } from '../json-types.ts'
import { verifyJson } from '../sign.ts'

/**
 * NOTSPEC: so many pairs of signature and key are tried. Real invites have one or two of each; an event full of them
 * could otherwise hold up the server for minutes.
 */
const maxPairs = 256

/** Is the `signed` of a third-party invite signed by a key of this `m.room.third_party_invite` content? Rule 5.3.1.7. */
export function hasInvitationSignature(signed: JsonObject, published: JsonObject): boolean {
  if (!isJsonObject(signed.signatures)) return false
  const publicKeys = publicKeysOf(published)
  let pairs = 0
  for (const [server, signatures] of Object.entries(signed.signatures)) {
    if (!isJsonObject(signatures)) continue
    for (const keyId of Object.keys(signatures)) {
      if (parseKeyId(keyId) === undefined) continue
      for (const publicKey of publicKeys) {
        if (++pairs > maxPairs) return false
        if (verifyJson(signed, server, keyId, publicKey)) return true
      }
    }
  }
  return false
}

function publicKeysOf(published: JsonObject): Set<string> {
  const keys = new Set<string>()
  // Either alphabet of base64 is allowed here.
  const add = (key: Json | undefined): void => {
    if (typeof key === 'string') keys.add(key.replaceAll('-', '+').replaceAll('_', '/'))
  }
  add(published.public_key)
  if (Array.isArray(published.public_keys))
    for (const entry of published.public_keys as readonly Json[]) if (isJsonObject(entry)) add(entry.public_key)
  return keys
}
