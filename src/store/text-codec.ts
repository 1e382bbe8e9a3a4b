// PostgreSQL's text cannot hold U+0000, and UTF-8 cannot hold a lone surrogate: drivers would refuse the one and silently
// replace the other. Both are written as an escape behind the noncharacter U+FFFF, on both engines, so that every string
// comes back as it was. The order of texts changes only for strings that hold one of these.
// Node 20 has it, the es2023 library has not
type WellFormed = string & { isWellFormed(): boolean }

const escape = '\uFFFF'
// oxlint-disable-next-line no-control-regex -- U+0000 is the point
const special = /[\u0000\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g
const escaped = /\uFFFF([0-9a-f]{4})/g

/** The form of a string that any text column can hold; most strings are their own. */
export function encodeText(text: string): string {
  if ((text as WellFormed).isWellFormed() && !text.includes('\0') && !text.includes(escape)) return text
  return text.replace(special, (char) => escape + char.charCodeAt(0).toString(16).padStart(4, '0'))
}

/** Undoes `encodeText`. */
export function decodeText(text: string): string {
  if (!text.includes(escape)) return text
  return text.replace(escaped, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}
