import { MatrixError } from './errors.ts'
import { parseSlowly } from './json-parser.ts'
import { countMembers, isDeep, isOdd, scanJson } from './json-scan.ts'
import type { Json, JsonMode, JsonObject } from './json-types.ts'
import type { RoomVersion } from './room-version.ts'

export interface JsonOptions {
  readonly mode: JsonMode
  /** How deep arrays and objects may nest; 1,000 unless told, and without limit in mode `spelled`. */
  readonly maxDepth?: number
}

/** NOTSPEC: deeper nesting is refused, in events too: whoever reads JSON by recursion would fall over it. */
export const maxJsonDepth = 1000

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses a JSON text, of bytes that must be UTF-8 or of a string.
 * Throws `M_NOT_JSON` where it is no JSON, and `M_BAD_JSON` where it is JSON that the mode or the depth refuses.
 * Every key becomes an own property, `__proto__` too. Never recurses.
 */
export function parseJson(input: Uint8Array | string, options: JsonOptions): Json {
  const text = typeof input === 'string' ? input : decodeUtf8(input)
  const { mode, maxDepth = mode === 'spelled' ? Infinity : maxJsonDepth } = options
  const scan = scanJson(text, maxDepth)
  if (scan === isDeep) throw new MatrixError('M_BAD_JSON', 'JSON is nested too deeply')
  if (scan === isOdd) return parseSlowly(text, mode)
  const value = parseNatively(text)
  // JSON.parse keeps the last of equal keys: then fewer members came out than colons went in.
  return mode === 'lenient' || countMembers(value) === scan ? value : parseSlowly(text, mode)
}

/** Like `parseJson`, and throws `M_BAD_JSON` where the text is not an object. */
export function parseJsonObject(input: Uint8Array | string, options: JsonOptions): JsonObject {
  const value = parseJson(input, options)
  if (!isJsonObject(value)) throw new MatrixError('M_BAD_JSON', 'JSON object expected')
  return value
}

/** Whether the value is a JSON object: not null, not an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object's own member of this name, undefined where it has none: never one of `Object.prototype`. */
export function memberOf(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

/** The mode in which a single event of this room version is parsed. */
export function eventJsonMode(version: RoomVersion): JsonMode {
  return version.strictCanonicalJson ? 'strict' : 'spelled'
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new MatrixError('M_NOT_JSON', 'not UTF-8')
  }
}

function parseNatively(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    // V8's message quotes the text, which may be private.
    throw new MatrixError('M_NOT_JSON', 'not JSON')
  }
}
