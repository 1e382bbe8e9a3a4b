import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { decodeBase64, toUrlSafe } from '../protocol/base64.ts'
import { isPublicKey, verifyText } from '../protocol/sign.ts'
import { lru } from '../util/lru.ts'

/** A text with a signature of it (base64), to be checked with a public key (base64). */
export interface SignedText {
  readonly text: string
  readonly signature: string
  readonly publicKey: string
}

/** From so many on, threads do the work. */
const fewest = 8
/** Not more than this are handed to the threads at once, so that others get their turn between. */
const slice = 64
const keys = lru<string, KeyObject>(4096)

/** Whether each signature is right, in the order given. Many at once are checked off the main thread. */
export async function verifyTexts(items: readonly SignedText[]): Promise<boolean[]> {
  if (items.length < fewest)
    return items.map(({ text, signature, publicKey }) => verifyText(text, signature, publicKey))
  const verdicts: boolean[] = []
  for (let at = 0; at < items.length; at += slice) {
    verdicts.push(...(await Promise.all(items.slice(at, at + slice).map(verifyAside))))
  }
  return verdicts
}

function verifyAside({ text, signature, publicKey }: SignedText): Promise<boolean> {
  const bytes = decodeBase64(signature)
  const key = bytes?.length === 64 ? keyOf(publicKey) : undefined
  if (bytes === undefined || key === undefined) return Promise.resolve(false)
  return new Promise((resolve) => {
    verify(null, Buffer.from(text), key, bytes, (error, isRight) => resolve(error === null && isRight))
  })
}

function keyOf(publicKey: string): KeyObject | undefined {
  const known = keys.get(publicKey)
  if (known !== undefined || !isPublicKey(publicKey)) return known
  const made = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: toUrlSafe(publicKey) }, format: 'jwk' })
  keys.set(publicKey, made)
  return made
}
