import { isJsonObject, memberOf } from './json.ts'
import type { Json, JsonObject } from './json-types.ts'

/**
 * The property names in a dot-separated path: `\.` and `\\` stand for a dot and a backslash of the name itself, any
 * other backslash for itself (appendices, "Dot-separated property paths").
 */
export function parsePropertyPath(path: string): string[] {
  const names: string[] = []
  let name = ''
  for (let i = 0; i < path.length; i++) {
    const char = path.charAt(i)
    const next = path.charAt(i + 1)
    if (char === '.') {
      names.push(name)
      name = ''
    } else if (char === '\\' && (next === '.' || next === '\\')) {
      name += next
      i++
    } else name += char
  }
  names.push(name)
  return names
}

/** The property at these names, undefined where one on the way is absent or is no object. */
export function propertyAt(value: Json | undefined, names: readonly string[]): Json | undefined {
  let at = value
  for (const name of names) {
    if (!isJsonObject(at)) return undefined
    at = memberOf(at, name)
  }
  return at
}

/** A copy of the object with nothing but the properties at these paths, in the object's own order. */
export function pickProperties(object: JsonObject, paths: readonly (readonly string[])[]): JsonObject {
  const picked: Record<string, Json> = {}
  for (const [key, value] of Object.entries(object)) {
    const below = paths.filter((path) => path[0] === key).map((path) => path.slice(1))
    if (below.length === 0) continue
    if (below.some((path) => path.length === 0)) define(picked, key, value)
    else if (isJsonObject(value)) {
      // Bounded by the length of the longest path, which is that of a filter's text.
      const inner = pickProperties(value, below)
      if (Object.keys(inner).length > 0) define(picked, key, inner)
    }
  }
  return picked
}

function define(object: Record<string, Json>, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}
