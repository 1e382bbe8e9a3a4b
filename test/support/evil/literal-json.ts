/**
 * JSON as it is written: every key, however often it stands, every number by its letters. A second, literal reader beside
 * the one of `protocol/`, so that tests can tell what an event is without asking what they test. It recurses.
 */
export type Lit =
  | { readonly kind: 'object'; entries: [key: string, value: Lit][] }
  | { readonly kind: 'array'; entries: Lit[] }
  | { readonly kind: 'string'; readonly value: string }
  /** a number, true, false or null */
  | { readonly kind: 'word'; readonly value: string }

export type LitObject = Extract<Lit, { kind: 'object' }>

/** What a text holds that an event may not. */
export interface Facts {
  readonly isTwice: boolean
  readonly isFraction: boolean
  readonly isLone: boolean
  readonly depth: number
}

const word = /(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y
const string = /"(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy
const blank = /[ \t\n\r]*/y

/** Reads a JSON text; undefined where it is none. */
export function readLiteral(text: string): Lit | undefined {
  let at = 0
  const skip = () => {
    blank.lastIndex = at
    at += (blank.exec(text)?.[0] ?? '').length
  }
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found === undefined) throw new SyntaxError('no JSON')
    at += found.length
    return found
  }
  const eat = (letter: string): boolean => {
    skip()
    if (text[at] !== letter) return false
    at++
    return true
  }
  const need = (letter: string): void => {
    if (!eat(letter)) throw new SyntaxError('no JSON')
  }
  const value = (): Lit => {
    skip()
    if (text[at] === '"') return { kind: 'string', value: JSON.parse(take(string)) as string }
    if (eat('[')) {
      const entries: Lit[] = []
      if (eat(']')) return { kind: 'array', entries }
      do entries.push(value())
      while (eat(','))
      need(']')
      return { kind: 'array', entries }
    }
    if (eat('{')) {
      const entries: [string, Lit][] = []
      if (eat('}')) return { kind: 'object', entries }
      do {
        skip()
        const key = JSON.parse(take(string)) as string
        need(':')
        entries.push([key, value()])
      } while (eat(','))
      need('}')
      return { kind: 'object', entries }
    }
    return { kind: 'word', value: take(word) }
  }
  try {
    const read = value()
    skip()
    return at === text.length ? read : undefined
  } catch {
    return undefined
  }
}

export function literalOf(value: unknown): Lit {
  return readLiteral(JSON.stringify(value)) as Lit
}

/** How a value is written where there is a choice. */
export interface Style {
  /** what stands between two tokens */
  readonly gap: () => string
  readonly quote: (text: string) => string
  readonly order: <T>(entries: readonly T[]) => readonly T[]
}

const plain: Style = { gap: () => '', quote: (text) => JSON.stringify(text), order: (entries) => entries }

export function writeLiteral(lit: Lit, style: Style = plain): string {
  const { gap, quote, order } = style
  if (lit.kind === 'word') return gap() + lit.value + gap()
  if (lit.kind === 'string') return gap() + quote(lit.value) + gap()
  if (lit.kind === 'array') return `${gap()}[${lit.entries.map((entry) => writeLiteral(entry, style)).join()}]${gap()}`
  const members = order(lit.entries).map(
    ([key, value]) => `${gap()}${quote(key)}${gap()}:${writeLiteral(value, style)}`,
  )
  return `${gap()}{${members.join()}}${gap()}`
}

/** Canonical JSON, by the letter of the appendices: keys by code point, that is by their UTF-8 bytes. */
export function canonicalLiteral(lit: Lit): string {
  if (lit.kind === 'word') return lit.value === '-0' ? '0' : lit.value
  if (lit.kind === 'string') return JSON.stringify(lit.value)
  if (lit.kind === 'array') return `[${lit.entries.map(canonicalLiteral).join()}]`
  const sorted = [...lit.entries].sort(([a], [b]) => order(a, b))
  return `{${sorted.map(([key, value]) => `${JSON.stringify(key)}:${canonicalLiteral(value)}`).join()}}`
}

const ascii = /^[^\u0080-\uffff]*$/

function order(a: string, b: string): number {
  if (ascii.test(a) && ascii.test(b)) return a < b ? -1 : a === b ? 0 : 1
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

export function factsOf(lit: Lit): Facts {
  const facts = { isTwice: false, isFraction: false, isLone: false, depth: 0 }
  const visit = (value: Lit, depth: number): void => {
    if (value.kind === 'string') facts.isLone ||= !isWhole(value.value)
    else if (value.kind === 'word') facts.isFraction ||= !isInteger(value.value)
    else {
      facts.depth = Math.max(facts.depth, depth)
      if (value.kind === 'array') for (const entry of value.entries) visit(entry, depth + 1)
      else {
        facts.isTwice ||= new Set(value.entries.map(([key]) => key)).size < value.entries.length
        for (const [key, entry] of value.entries) {
          facts.isLone ||= !isWhole(key)
          visit(entry, depth + 1)
        }
      }
    }
  }
  visit(lit, 1)
  return facts
}

function isInteger(letters: string): boolean {
  if (!/^-?[0-9]/.test(letters)) return true
  if (!/^(?:0|-?[1-9]\d*)$/.test(letters)) return false
  const value = BigInt(letters)
  return value < 2n ** 53n && value > -(2n ** 53n)
}

function isWhole(text: string): boolean {
  return !/[\ud800-\udfff]/.test(text) || Buffer.from(text).toString() === text
}

/** The member of an object; undefined where it has none. */
export function memberOf(lit: Lit | undefined, key: string): Lit | undefined {
  return lit?.kind === 'object' ? lit.entries.find(([name]) => name === key)?.[1] : undefined
}

export function textOf(lit: Lit | undefined): string | undefined {
  return lit?.kind === 'string' ? lit.value : undefined
}

/** The object without these members. */
export function without(lit: LitObject, ...keys: readonly string[]): LitObject {
  return { kind: 'object', entries: lit.entries.filter(([key]) => !keys.includes(key)) }
}

/** The object with only these members. */
export function only(lit: LitObject, keys: readonly string[]): LitObject {
  return { kind: 'object', entries: lit.entries.filter(([key]) => keys.includes(key)) }
}
