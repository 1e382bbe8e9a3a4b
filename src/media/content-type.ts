/** Types that may be shown inline (client-server API, "Serving inline content"). */
const inlineTypes = new Set([
  'text/css',
  'text/plain',
  'text/csv',
  'application/json',
  'application/ld+json',
  'image/jpeg',
  'image/gif',
  'image/png',
  'image/apng',
  'image/webp',
  'image/avif',
  'video/mp4',
  'video/webm',
  'video/ogg',
  'video/quicktime',
  'audio/mp4',
  'audio/webm',
  'audio/aac',
  'audio/mpeg',
  'audio/ogg',
  'audio/wave',
  'audio/wav',
  'audio/x-wav',
  'audio/x-pn-wav',
  'audio/flac',
  'audio/x-flac',
])

/** The type as the uploader named it where it is a well-formed media type, else `application/octet-stream`. */
export function cleanContentType(value: string | null | undefined): string {
  const token = '[A-Za-z0-9!#$&^_.+-]{1,100}'
  const shape = new RegExp(`^${token}/${token}(?:\\s*;\\s*${token}=(?:${token}|"[^"\\\\\\r\\n]{0,100}"))*$`)
  return value !== undefined && value !== null && value.length <= 255 && shape.test(value)
    ? value
    : 'application/octet-stream'
}

/**
 * The type to store for an upload: what the uploader named, unless that says picture, sound or film and the bytes are
 * markup (RELIABILITY.md, "Media").
 */
export function storedContentType(claimed: string | undefined, head: Uint8Array): string {
  const type = cleanContentType(claimed)
  const isMarkup = /^(?:\u00ef\u00bb\u00bf)?\s*</.test(Buffer.from(head.subarray(0, 1024)).toString('latin1'))
  return isMarkup && /^(?:image|audio|video)\//i.test(type) && !/^image\/svg\+xml/i.test(type)
    ? 'application/octet-stream'
    : type
}

/** `Content-Disposition` of a file: inline only for harmless types, the name encoded (RFC 6266, RFC 8187). */
export function contentDisposition(contentType: string, fileName: string | null): string {
  const essence = contentType.split(';')[0]?.trim().toLowerCase() ?? ''
  const kind = inlineTypes.has(essence) ? 'inline' : 'attachment'
  if (fileName === null || fileName === '') return kind
  if (/^[A-Za-z0-9!#$&+.^_`|~-]+$/.test(fileName)) return `${kind}; filename=${fileName}`
  if (/^[\x20-\x7e]+$/.test(fileName)) return `${kind}; filename="${fileName.replace(/["\\]/g, '\\$&')}"`
  const encoded = encodeURIComponent(fileName.toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `${kind}; filename*=utf-8''${encoded}`
}

/** The file name in a `Content-Disposition` of another server, or null. Never a path. */
export function fileNameOf(disposition: string | undefined): string | null {
  if (disposition === undefined) return null
  const extended = /;\s*filename\*\s*=\s*utf-8''([^;\s]+)/i.exec(disposition)?.[1]
  if (extended !== undefined) {
    try {
      return cleanFileName(decodeURIComponent(extended))
    } catch {
      return null
    }
  }
  const plain = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(disposition)
  const name = plain?.[1]?.replace(/\\(.)/g, '$1') ?? plain?.[2]
  return name === undefined ? null : cleanFileName(name)
}

/** A file name without control characters, at most 255 bytes; null where nothing is left. */
export function cleanFileName(name: string | undefined): string | null {
  if (name === undefined) return null
  // eslint-disable-next-line no-control-regex
  let clean = name.toWellFormed().replace(/[\u0000-\u001f\u007f]/g, '')
  while (Buffer.byteLength(clean) > 255) clean = [...clean].slice(0, -1).join('')
  return clean === '' ? null : clean
}

/** What every answer with a file carries besides type, length and disposition. */
export const fileHeaders = {
  'content-security-policy':
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; media-src 'self'; object-src 'self';",
  'cross-origin-resource-policy': 'cross-origin',
  'x-content-type-options': 'nosniff',
  // Erasure reaches caches between us and the reader only if they ask again.
  'cache-control': 'private, max-age=0, must-revalidate',
} as const
