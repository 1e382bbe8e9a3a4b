/**
 * Does the glob match some part of the text that starts and ends at a word boundary? A boundary is the start or the
 * end of the text, or next to a character that is not of `[A-Za-z0-9_]` (client-server API, "Push Rules",
 * `event_match`). Both must be of one case already. Takes at most time of the product of both lengths.
 */
export function globMatchesWords(glob: string, text: string): boolean {
  return glob.includes('*') || glob.includes('?') ? matchesWildcards(glob, text) : containsWords(text, glob)
}

/** Does the text contain these words, taken literally, between word boundaries? */
export function containsWords(text: string, words: string): boolean {
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + 1)) {
    if (isBoundary(text, at) && isBoundary(text, at + words.length)) return true
    if (at >= text.length) return false
  }
  return false
}

function isBoundary(text: string, at: number): boolean {
  return at === 0 || at === text.length || !isWordCode(text.charCodeAt(at - 1)) || !isWordCode(text.charCodeAt(at))
}

function isWordCode(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95
}

/** Walks the text once with the set of all places in the pattern that a match begun at some boundary can be at. */
function matchesWildcards(glob: string, text: string): boolean {
  const pattern = [...glob].filter((char, i, all) => char !== '*' || all[i - 1] !== '*')
  const end = pattern.length
  let current = new Uint8Array(end + 1)
  let next = new Uint8Array(end + 1)
  let at = 0
  for (const char of [...text, '']) {
    const boundary = isBoundary(text, at)
    if (boundary) current[0] = 1
    for (let i = 0; i < end; i++) if (current[i] === 1 && pattern[i] === '*') current[i + 1] = 1
    if (boundary && current[end] === 1) return true
    if (char === '') return false
    next.fill(0)
    for (let i = 0; i < end; i++) {
      if (current[i] === 0) continue
      const expected = pattern[i]
      if (expected === '*') next[i] = 1
      else if (expected === '?' || expected === char) next[i + 1] = 1
    }
    ;[current, next] = [next, current]
    at += char.length
  }
  return false
}
