/** JSON that is already text: `stringify` puts it into its place unread. */
export class RawJson {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  /** A value as the text of `stringify`, in one piece. */
  static of(value: object): RawJson {
    return new RawJson(inOnePiece(stringify(value)))
  }

  /** An array of values that are text already. */
  static listOf(texts: readonly string[]): RawJson {
    // added up, not joined: it is copied once, when all is written
    let list = ''
    for (const text of texts) list += list === '' ? text : `,${text}`
    return new RawJson(`[${list}]`)
  }

  /** The members of two objects, neither of them empty, as one. */
  static joining(one: string, other: string): RawJson {
    return new RawJson(inOnePiece(`${one.slice(0, -1)},${other.slice(1)}`))
  }
}

const openingBrace = 123

/**
 * The text of an object, in one piece. As a sum of slices it would keep the whole texts behind it in memory; looking at a
 * character makes the engine write it out.
 */
export function inOnePiece(text: string): string {
  if (text.charCodeAt(0) !== openingBrace) throw new Error('this is no object')
  return text
}

/** As `JSON.stringify`, for a value that may hold `RawJson`. Throws TypeError for what JSON cannot say (bigint). */
export function stringify(value: unknown): string {
  return write(value) ?? 'null'
}

function write(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (value instanceof RawJson) return value.text
  if (Array.isArray(value)) return writeArray(value)
  if ('toJSON' in value && typeof value.toJSON === 'function') return JSON.stringify(value)
  let text = ''
  for (const key of Object.keys(value)) {
    const member = write((value as Record<string, unknown>)[key])
    if (member !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${member}`
  }
  return `{${text}}`
}

function writeArray(items: readonly unknown[]): string {
  let text = ''
  for (let i = 0; i < items.length; i++) text += `${i === 0 ? '' : ','}${write(items[i]) ?? 'null'}`
  return `[${text}]`
}
