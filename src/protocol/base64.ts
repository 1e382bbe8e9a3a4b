const standard = /^[A-Za-z0-9+/]*={0,2}$/
const urlSafe = /^[A-Za-z0-9_-]*={0,2}$/

/** Unpadded base64 in the standard alphabet (appendices, "Unpadded Base64"). */
export function encodeBase64(bytes: Uint8Array): string {
  return unpad(asBuffer(bytes).toString('base64'))
}

/** Unpadded base64 in the URL-safe alphabet. */
export function encodeUrlSafeBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64url')
}

/** The bytes of base64 in the standard alphabet, padded or not; undefined where the text is not base64. */
export function decodeBase64(text: string): Uint8Array | undefined {
  return decode(text, standard)
}

/** The bytes of base64 in the URL-safe alphabet, padded or not; undefined where the text is not base64. */
export function decodeUrlSafeBase64(text: string): Uint8Array | undefined {
  return decode(text, urlSafe)
}

/** The text without its trailing `=`. */
export function unpad(base64: string): string {
  let end = base64.length
  while (end > 0 && base64.charCodeAt(end - 1) === 0x3d) end--
  return end === base64.length ? base64 : base64.slice(0, end)
}

/** Base64 of the standard alphabet, written in the URL-safe one, without padding. */
export function toUrlSafe(base64: string): string {
  return unpad(base64).replaceAll('+', '-').replaceAll('/', '_')
}

function decode(text: string, alphabet: RegExp): Uint8Array | undefined {
  if (!alphabet.test(text) || unpad(text).length % 4 === 1) return undefined
  return Buffer.from(text, 'base64')
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
