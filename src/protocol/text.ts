const loneSurrogate = /\p{Surrogate}/u

/** The length of the text in bytes of UTF-8. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}

/** Whether the text has no lone surrogate, so that UTF-8 can carry it. */
export function isWellFormed(text: string): boolean {
  return !loneSurrogate.test(text)
}
