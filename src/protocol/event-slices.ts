/** Members of a stored event as they stand in its canonical text; undefined where it has none. */
export interface EventSlices {
  readonly content: string | undefined
  readonly originServerTs: string | undefined
  readonly sender: string | undefined
  readonly stateKey: string | undefined
  readonly type: string | undefined
}

/**
 * Cuts the members that clients get out of the canonical text of an event (one object, without white space between its
 * parts), without parsing it: much of it, signatures and the graph's edges, is of no use to them. Throws for what is no
 * such text.
 */
export function sliceEvent(text: string): EventSlices {
  const found: { -readonly [K in keyof EventSlices]: EventSlices[K] } = {
    content: undefined,
    originServerTs: undefined,
    sender: undefined,
    stateKey: undefined,
    type: undefined,
  }
  if (text[0] !== '{') throw new SyntaxError('no object')
  if (text === '{}') return found
  for (let at = 0; text[at] !== '}';) {
    const afterKey = stringEnd(text, at + 1)
    const from = afterKey + 1
    const to = valueEnd(text, from)
    const value = text.slice(from, to)
    switch (text.slice(at + 2, afterKey - 1)) {
      case 'content':
        found.content = value
        break
      case 'origin_server_ts':
        found.originServerTs = value
        break
      case 'sender':
        found.sender = value
        break
      case 'state_key':
        found.stateKey = value
        break
      case 'type':
        found.type = value
        break
    }
    at = to
  }
  return found
}

/** As `sliceEvent`, of the content alone: most of the text comes after it and is not looked at. */
export function sliceContent(text: string): string | undefined {
  if (text[0] !== '{') throw new SyntaxError('no object')
  if (text === '{}') return undefined
  for (let at = 0; text[at] !== '}';) {
    const from = stringEnd(text, at + 1) + 1
    const to = valueEnd(text, from)
    if (from - at === contentKey.length + 1 && text.startsWith(contentKey, at + 1)) return text.slice(from, to)
    at = to
  }
  return undefined
}

const contentKey = '"content":'
const quote = 34
const backslash = 92

/** The place after the string that begins at `from`. */
function stringEnd(text: string, from: number): number {
  for (let at = from; ;) {
    at = text.indexOf('"', at + 1)
    if (at < 0) throw new SyntaxError('a string without an end')
    let escapes = 0
    while (text.charCodeAt(at - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return at + 1
  }
}

/** The place after the value that begins at `from`: at the comma or bracket that follows. */
function valueEnd(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length;) {
    const code = text.charCodeAt(at)
    if (code === quote) at = stringEnd(text, at)
    else {
      // { and [ differ from } and ] by two
      if (code === 123 || code === 91) depth++
      else if (code === 125 || code === 93) {
        if (depth === 0) return at
        depth--
      } else if (code === 44 && depth === 0) return at
      at++
    }
  }
  throw new SyntaxError('a value without an end')
}
