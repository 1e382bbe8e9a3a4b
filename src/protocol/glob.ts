export interface GlobOptions {
  /** Compare without regard to case. */
  readonly ignoreCase?: boolean
}

const star = 0x2a
const question = 0x3f

/**
 * Whether the whole text matches the glob: `*` is any number of characters, `?` exactly one (appendices, "Glob-style
 * matching"). Never a RegExp: patterns come from anybody. Takes at most |pattern| × |text| steps.
 */
export function globMatches(pattern: string, text: string, options: GlobOptions = {}): boolean {
  return options.ignoreCase === true ? matches(pattern.toLowerCase(), text.toLowerCase()) : matches(pattern, text)
}

/** A matcher for a glob that is asked often. */
export function compileGlob(pattern: string, options: GlobOptions = {}): (text: string) => boolean {
  const ignoreCase = options.ignoreCase === true
  const folded = ignoreCase ? pattern.toLowerCase() : pattern
  const test = specialise(folded)
  return ignoreCase ? (text) => test(text.toLowerCase()) : test
}

/** Whether the text has a `*` or `?`. */
export function isGlob(text: string): boolean {
  return text.includes('*') || text.includes('?')
}

/** Most patterns are a plain text with at most one star at an end. */
function specialise(pattern: string): (text: string) => boolean {
  if (!isGlob(pattern)) return (text) => text === pattern
  if (pattern === '*') return () => true
  const tail = pattern.slice(1)
  if (pattern.startsWith('*') && !isGlob(tail)) return (text) => text.endsWith(tail)
  const head = pattern.slice(0, -1)
  if (pattern.endsWith('*') && !isGlob(head)) return (text) => text.startsWith(head)
  return (text) => matches(pattern, text)
}

/** Two pointers: on a mismatch only the last star takes one character more. */
function matches(pattern: string, text: string): boolean {
  let p = 0
  let t = 0
  let lastStar = -1
  let resumeAt = 0
  while (t < text.length) {
    const code = pattern.charCodeAt(p)
    if (code === star) {
      lastStar = p++
      resumeAt = t
    } else if (code === question) {
      p++
      t += characterLength(text, t)
    } else if (code === text.charCodeAt(t)) {
      p++
      t++
    } else if (lastStar >= 0) {
      p = lastStar + 1
      resumeAt += characterLength(text, resumeAt)
      t = resumeAt
    } else return false
  }
  while (pattern.charCodeAt(p) === star) p++
  return p === pattern.length
}

/** A surrogate pair is one character. */
function characterLength(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
}
