import { MatrixError } from './errors.ts'
import { maxJsonDepth } from './json.ts'
import { odditiesOf, spellingOf } from './json-oddities.ts'
import type { Json, JsonObject } from './json-types.ts'
import { isWellFormed } from './text.ts'

/**
 * What must be true of the value besides being JSON. `event`: no key stood twice, no lone surrogate, not nested too
 * deeply. `strict-event` (room versions from 6): also every number is an integer within ±(2^53−1) and was spelled as one.
 */
type Demand = 'none' | 'event' | 'strict-event'

interface Frame {
  readonly container: Json[] | JsonObject
  /** Sorted; undefined for an array. */
  readonly keys: readonly string[] | undefined
  readonly length: number
  readonly isSpelled: boolean
  index: number
}

const shortLength = 100
const anySurrogate = /[\ud800-\udfff]/

/**
 * Canonical JSON (appendices, "Canonical JSON"): no white space, keys in the order of their code points, integers
 * without sign of zero or exponent. A number whose spelling the parser kept is written as its origin spelled it.
 * Throws TypeError for NaN and infinities. Never recurses.
 */
export function canonicalJson(value: Json): string {
  return write(value, 'none')
}

/**
 * Canonical JSON of something that claims to be an event. Throws `M_BAD_JSON` where it could not be one: see `Demand`;
 * `strict` is the room version's `strictCanonicalJson`.
 */
export function canonicalEventJson(value: JsonObject, strict: boolean): string {
  return write(value, strict ? 'strict-event' : 'event')
}

/**
 * The members of something that claims to be an event, each as `"key":value` in Canonical JSON, by key and in the order
 * of their keys: for texts that share members, which `objectOf` makes of them. Throws as `canonicalEventJson` does.
 */
export function canonicalMembers(value: JsonObject, strict: boolean): Map<string, string> {
  const demand = strict ? 'strict-event' : 'event'
  const members = new Map<string, string>()
  const { keys = [], isSpelled } = frameOf(value, demand)
  for (const key of keys) {
    const member = value[key] as Json
    const text = isContainer(member) ? write(member, demand, 1) : ofScalar(value, key, member, isSpelled, demand)
    members.set(key, `${quoted(key, demand)}:${text}`)
  }
  return members
}

/** The object of these members, which are in the order of their keys. */
export function objectOf(members: readonly string[]): string {
  return `{${members.join(',')}}`
}

/** Compares texts by code point, as Canonical JSON orders keys; JavaScript's own order is by UTF-16 unit. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const x = a.charCodeAt(at)
    const y = b.charCodeAt(at)
    // Where the first difference is, surrogates stand for code points above all others.
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

/** `outside` is how many containers it stands in. */
function write(root: Json, demand: Demand, outside = 0): string {
  if (!isContainer(root)) return scalar(root, demand, undefined)
  const stack: Frame[] = [frameOf(root, demand)]
  let out = Array.isArray(root) ? '[' : '{'
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const { container, keys, index } = frame
    if (index === frame.length) {
      out += keys === undefined ? ']' : '}'
      stack.pop()
      continue
    }
    frame.index = index + 1
    if (index > 0) out += ','
    const key = keys === undefined ? String(index) : (keys[index] as string)
    if (keys !== undefined) out += `${quoted(key, demand)}:`
    const value = (container as JsonObject)[key] as Json
    if (isContainer(value)) {
      if (demand !== 'none' && outside + stack.length >= maxJsonDepth) throw badJson('nested too deeply')
      stack.push(frameOf(value, demand))
      out += Array.isArray(value) ? '[' : '{'
    } else out += ofScalar(container, key, value, frame.isSpelled, demand)
  }
  return out
}

function isContainer(value: Json): value is Json[] | JsonObject {
  return typeof value === 'object' && value !== null
}

function ofScalar(
  container: Json[] | JsonObject,
  key: string,
  value: Json,
  isSpelled: boolean,
  demand: Demand,
): string {
  const spelling = isSpelled && typeof value === 'number' ? spellingOf(container, key, value) : undefined
  return scalar(value, demand, spelling)
}

function frameOf(container: Json[] | JsonObject, demand: Demand): Frame {
  const known = odditiesOf(container)
  if (known?.duplicateKey === true && demand !== 'none') throw badJson('a key stands twice')
  const isSpelled = known !== undefined
  if (Array.isArray(container)) return { container, keys: undefined, length: container.length, isSpelled, index: 0 }
  const keys = sortedKeys(container)
  return { container, keys, length: keys.length, isSpelled, index: 0 }
}

function sortedKeys(object: JsonObject): string[] {
  const keys = Object.keys(object)
  // What we stored comes back sorted, and looking is cheaper than sorting.
  if (!isSorted(keys)) keys.sort()
  if (keys.some((key) => anySurrogate.test(key))) keys.sort(compareCodePoints)
  return keys
}

function isSorted(keys: readonly string[]): boolean {
  for (let at = 1; at < keys.length; at++) if ((keys[at - 1] as string) > (keys[at] as string)) return false
  return true
}

function scalar(value: Json, demand: Demand, spelling: string | undefined): string {
  if (typeof value === 'string') return quoted(value, demand)
  if (typeof value !== 'number') return value === null ? 'null' : value === true ? 'true' : 'false'
  if (demand === 'strict-event' && (spelling !== undefined || !Number.isSafeInteger(value) || Object.is(value, -0))) {
    throw badJson('a number is not an integer within ±(2^53-1)')
  }
  if (spelling !== undefined) return spelling
  if (Number.isFinite(value)) return String(value)
  if (demand === 'none') throw new TypeError('JSON has no NaN and no infinity')
  throw badJson('a number is too large')
}

function quoted(text: string, demand: Demand): string {
  if (text.length <= shortLength && isPlain(text)) return `"${text}"`
  if (demand !== 'none' && !isWellFormed(text)) throw badJson('lone surrogate')
  return JSON.stringify(text)
}

/** Whether the text needs no escape and has no surrogate: for keys and ids a loop is cheaper than asking JSON.stringify. */
function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x20 || code === 0x22 || code === 0x5c || code >= 0xd800) return false
  }
  return true
}

function badJson(reason: string): MatrixError {
  return new MatrixError('M_BAD_JSON', reason)
}
