import { MatrixError } from './errors.ts'
import { noteDuplicateKey, noteSpelling } from './json-oddities.ts'
import type { Json, JsonMode } from './json-types.ts'
import { isWellFormed } from './text.ts'

const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y

/** An array or object whose end has not been reached; `key` is the member whose value comes next. */
type Open = { readonly items: Json[] } | { readonly members: Record<string, Json>; key: string }

/**
 * Parses a JSON text (RFC 8259) character by character, seeing what JSON.parse hides. Without recursion; the depth
 * has been checked before. Throws as `parseJson` does.
 */
export function parseSlowly(text: string, mode: JsonMode): Json {
  const reader = new Reader(text, mode)
  const stack: Open[] = []
  for (;;) {
    const opened = reader.open()
    if (opened !== undefined && !reader.takes(closerOf(opened))) {
      if ('members' in opened) opened.key = reader.key(opened.members)
      stack.push(opened)
      continue
    }
    let value = opened === undefined ? reader.scalar(stack.at(-1)) : valueOf(opened)
    for (;;) {
      const parent = stack.at(-1)
      if (parent === undefined) return reader.end(value)
      put(parent, value)
      if (reader.takes(',')) {
        if ('members' in parent) parent.key = reader.key(parent.members)
        break
      }
      if (!reader.takes(closerOf(parent))) throw notJson()
      value = valueOf(parent)
      stack.pop()
    }
  }
}

class Reader {
  readonly #text: string
  readonly #mode: JsonMode
  #at = 0

  constructor(text: string, mode: JsonMode) {
    this.#text = text
    this.#mode = mode
  }

  /** Reads the beginning of an array or object, if that comes next. */
  open(): Open | undefined {
    if (this.takes('{')) return { members: {}, key: '' }
    return this.takes('[') ? { items: [] } : undefined
  }

  /** Passes over this punctuation mark, and white space before it, if it comes next. */
  takes(mark: string): boolean {
    this.#skipSpace()
    if (this.#text[this.#at] !== mark) return false
    this.#at++
    return true
  }

  /** Reads a key and its colon. */
  key(members: object): string {
    this.#skipSpace()
    if (this.#text[this.#at] !== '"') throw notJson()
    const key = this.#string()
    if (!this.takes(':')) throw notJson()
    if (Object.hasOwn(members, key)) {
      if (this.#mode === 'strict') throw new MatrixError('M_BAD_JSON', 'a key stands twice in a JSON object')
      if (this.#mode === 'spelled') noteDuplicateKey(members)
    }
    return key
  }

  /** Reads a string, number, `true`, `false` or `null` that will be put into `parent`. */
  scalar(parent: Open | undefined): Json {
    const text = this.#text
    switch (text[this.#at]) {
      case '"':
        return this.#string()
      case 't':
        return this.#word('true', true)
      case 'f':
        return this.#word('false', false)
      case 'n':
        return this.#word('null', null)
      default:
        return this.#number(parent)
    }
  }

  /** Checks that nothing but white space follows. */
  end(value: Json): Json {
    this.#skipSpace()
    if (this.#at !== this.#text.length) throw notJson()
    return value
  }

  #string(): string {
    const text = this.#text
    const start = this.#at
    let end = start + 1
    for (; end < text.length && text[end] !== '"'; end++) if (text[end] === '\\') end++
    this.#at = end + 1
    const value = decodeString(text.slice(start, end + 1))
    if (this.#mode !== 'spelled' && !isWellFormed(value)) throw new MatrixError('M_BAD_JSON', 'lone surrogate')
    return value
  }

  #word(word: string, value: Json): Json {
    if (!this.#text.startsWith(word, this.#at)) throw notJson()
    this.#at += word.length
    return value
  }

  #number(parent: Open | undefined): number {
    number.lastIndex = this.#at
    const text = number.exec(this.#text)?.[0]
    if (text === undefined) throw notJson()
    this.#at += text.length
    const value = Number(text)
    if (this.#mode === 'strict' && !(Number.isSafeInteger(value) && String(value) === text)) {
      throw new MatrixError('M_BAD_JSON', 'number is not an integer within ±(2^53-1), or not spelled as one')
    }
    if (this.#mode === 'lenient' && !Number.isFinite(value)) throw new MatrixError('M_BAD_JSON', 'number too large')
    if (this.#mode === 'spelled' && String(value) !== text && text !== '-0' && parent !== undefined) {
      if ('members' in parent) noteSpelling(parent.members, parent.key, value, text)
      else noteSpelling(parent.items, String(parent.items.length), value, text)
    }
    return value
  }

  #skipSpace(): void {
    const text = this.#text
    let code = text.charCodeAt(this.#at)
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = text.charCodeAt(++this.#at)
  }
}

function closerOf(open: Open): string {
  return 'members' in open ? '}' : ']'
}

function valueOf(open: Open): Json {
  return 'members' in open ? open.members : open.items
}

function put(parent: Open, value: Json): void {
  if ('items' in parent) parent.items.push(value)
  else if (parent.key !== '__proto__') parent.members[parent.key] = value
  else {
    // An assignment would set the prototype instead.
    Object.defineProperty(parent.members, '__proto__', { value, writable: true, enumerable: true, configurable: true })
  }
}

/** JSON.parse knows the escapes, and refuses control characters and an unfinished string. */
function decodeString(literal: string): string {
  try {
    return JSON.parse(literal) as string
  } catch {
    throw notJson()
  }
}

function notJson(): MatrixError {
  return new MatrixError('M_NOT_JSON', 'not JSON')
}
