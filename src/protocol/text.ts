const loneSurrogate = /\p{Surrogate}/u

/** The length of the text in bytes of UTF-8. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}

/** Whether the text takes at most so many bytes of UTF-8. */
export function isWithinBytes(text: string, most: number): boolean {
  // no unit of UTF-16 takes more than three
  return text.length * 3 <= most || utf8Length(text) <= most
}

/** Whether the text has no lone surrogate, so that UTF-8 can carry it. */
export function isWellFormed(text: string): boolean {
  return !loneSurrogate.test(text)
}
