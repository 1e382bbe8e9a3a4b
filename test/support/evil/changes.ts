import { expectChanged, type Expected } from './expectation.ts'
import { readLiteral, writeLiteral, type Lit, type LitObject, type Style } from './literal-json.ts'
import type { Seeded } from '../seeded.ts'

/** A PDU that was changed, and what has to become of it. */
export interface Changed {
  readonly text: string
  readonly lit: LitObject
  readonly expected: Expected
  readonly note: string
}

const words = [
  'null',
  'true',
  'false',
  '0',
  '-1',
  '7',
  '1.5',
  '1.0',
  '1e3',
  '1E-2',
  '-0',
  '9007199254740991',
  '9007199254740992',
  '-9007199254740991',
  '-9007199254740993',
  '1e400',
  '123456789012345678901234567890',
]
const strings = [
  '',
  'x',
  'é'.repeat(128),
  '\ud800',
  'a\u0000b',
  '\u2028',
  '$x',
  '@weak:evil.test',
  '!r:evil.test',
  '😀',
  '__proto__',
  'm.room.create',
  'a'.repeat(300),
  '\\',
  '"',
  '*'.repeat(200),
  'http://[',
  'mxc://x/y',
  '../..',
]
const keys = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '',
  'x',
  'unsigned',
  'event_id',
  'redacts',
  'origin',
  'membership',
  'prev_state',
  'm.relates_to',
  'm.new_content',
  'body',
  'msgtype',
  'url',
  'info',
  'é',
  '\ud800',
  '0',
  '10',
  '9',
  'rel_type',
  'content',
  'hashes',
  'signatures',
  'a\u0000',
  '😀',
  '\uffff',
  'age',
  'm.mentions',
]

/** Any JSON value, strange ones more often than others. */
export function anyValue(random: Seeded, depth = 0): Lit {
  const kind = random.below(depth > 3 ? 4 : 8)
  if (kind < 2) return { kind: 'word', value: random.pick(words) }
  if (kind < 4) return { kind: 'string', value: random.pick(strings) }
  if (kind === 4 && random.chance(1 / 30)) return nested(random.pick([900, 990, 1100, 1500]))
  if (kind === 5 && random.chance(1 / 150)) return { kind: 'string', value: 'x'.repeat(66_000) }
  const count = random.below(4)
  if (kind < 6) return { kind: 'array', entries: Array.from({ length: count }, () => anyValue(random, depth + 1)) }
  return {
    kind: 'object',
    entries: Array.from({ length: count }, () => [random.pick(keys), anyValue(random, depth + 1)]),
  }
}

function nested(levels: number): Lit {
  let lit: Lit = { kind: 'array', entries: [] }
  for (let i = 1; i < levels; i++) lit = { kind: 'array', entries: [lit] }
  return lit
}

/** A PDU changed in its bytes, its structure or its spelling after it was signed. */
export function changeSigned(random: Seeded, version: number, base: LitObject, server: string): Changed {
  const kind = random.below(10)
  const [note, text] =
    kind < 2 ? ['spelling', respelled(random, base)] : kind < 5 ? bytes(random, base) : structure(random, base)
  const lit = readLiteral(text) as LitObject
  return { text, lit, expected: expectChanged(version, base, lit, server), note }
}

/** The same JSON in other letters. */
function respelled(random: Seeded, base: LitObject): string {
  const style: Style = {
    gap: () => (random.chance(1 / 4) ? random.pick([' ', '\n', '\t', '\r\n', '  ']) : ''),
    order: (entries) => random.shuffled(entries),
    quote: (text) =>
      JSON.stringify(text).replace(/[a-z/](?=[^\\]*"$)/gi, (letter, at: number, whole: string) =>
        whole[at - 1] === '\\' || !random.chance(1 / 6)
          ? letter
          : `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
      ),
  }
  return writeLiteral(base, style)
}

const letters = '"{}[]:,\\0123456789-+.eEunltrfabz$@! \u00e9'

/** Some bytes of the text flipped, dropped, doubled or put in, so that it still is an object. */
function bytes(random: Seeded, base: LitObject): [note: string, text: string] {
  const whole = writeLiteral(base)
  for (let tries = 0; tries < 40; tries++) {
    let text = whole
    for (let edits = 1 + random.below(3); edits > 0; edits--) {
      const at = random.below(text.length)
      const length = 1 + random.below(random.chance(1 / 4) ? 20 : 1)
      const put = random.pick(['', random.pick([...letters]), text.slice(at, at + 2 * length)])
      text = text.slice(0, at) + put + text.slice(at + length)
    }
    const lit = readLiteral(text)
    if (lit?.kind === 'object' && text !== whole) return ['bytes', text]
  }
  return ['no bytes', whole]
}

/** Members and entries anywhere dropped, doubled, renamed, replaced or added. */
function structure(random: Seeded, base: LitObject): [note: string, text: string] {
  const made = structuredClone(base)
  for (let edits = 1 + random.below(2); edits > 0; edits--) {
    const containers = containersOf(made)
    edit(random, random.chance(1 / 3) ? made : random.pick(containers))
  }
  return ['structure', writeLiteral(made)]
}

type Container = Extract<Lit, { kind: 'object' | 'array' }>

function containersOf(root: Lit): Container[] {
  const found: Container[] = []
  const visit = (lit: Lit): void => {
    if (lit.kind === 'array') found.push(lit)
    if (lit.kind === 'object') found.push(lit)
    if (lit.kind === 'array') for (const entry of lit.entries) visit(entry)
    if (lit.kind === 'object') for (const [, entry] of lit.entries) visit(entry)
  }
  visit(root)
  return found
}

function edit(random: Seeded, container: Container): void {
  const { entries } = container as { entries: unknown[] }
  const at = random.below(entries.length + 1)
  const isObject = container.kind === 'object'
  const fresh = (key: string) => (isObject ? [key, anyValue(random)] : anyValue(random))
  const here = entries[at] as [string, Lit] | undefined
  switch (here === undefined ? 0 : random.below(6)) {
    case 0:
      entries.splice(at, 0, fresh(random.pick(keys)))
      return
    case 1:
      entries.splice(at, 1)
      return
    case 2:
      entries[at] = fresh(isObject ? (here as [string, Lit])[0] : '')
      return
    case 3:
      entries.splice(random.below(entries.length), 0, isObject ? fresh((here as [string, Lit])[0]) : here)
      return
    case 4:
      if (isObject) entries[at] = [random.pick(keys), (here as [string, Lit])[1]]
      else entries.reverse()
      return
    default: {
      const other = random.below(entries.length)
      if (isObject) {
        const [mine, theirs] = [entries[at], entries[other]] as [[string, Lit], [string, Lit]]
        entries[at] = [mine[0], theirs[1]]
        entries[other] = [theirs[0], mine[1]]
      } else [entries[at], entries[other]] = [entries[other], entries[at]]
    }
  }
}
