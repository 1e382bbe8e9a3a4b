import type { Json } from './json-types.ts'

/** The scan's answer: JSON.parse would hide something of this text, or could. */
export const isOdd = -1
/** The scan's answer: nested deeper than allowed. */
export const isDeep = -2

const quote = 0x22
const minus = 0x2d
const zero = 0x30
const nine = 0x39
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const lowerD = 0x64
const lowerU = 0x75
const openBrace = 0x7b
const closeBrace = 0x7d

/** The longest run of characters that is surely an integer that a double holds exactly, and is spelled by as written. */
const sureDigits = 15

/**
 * Reads a JSON text once without parsing it. Returns the number of members of all its objects together where
 * JSON.parse reads it without loss (but for keys that stand twice), else `isOdd` or `isDeep`. Odd are fractions,
 * exponents, `-0`, numbers too long to be sure of, and escapes that may be lone surrogates.
 * Says nothing about whether the text is JSON.
 */
export function scanJson(text: string, maxDepth: number): number {
  let members = 0
  let depth = 0
  let odd = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      for (at++; at < text.length; at++) {
        const inner = text.charCodeAt(at)
        if (inner === quote) break
        if (inner !== backslash) continue
        at++
        // \uD800 to \uDFFF
        if (text.charCodeAt(at) === lowerU && (text.charCodeAt(at + 1) | 0x20) === lowerD) odd = true
      }
    } else if (code === colon) members++
    else if (code === openBrace || code === openBracket) {
      if (++depth > maxDepth) return isDeep
    } else if (code === closeBrace || code === closeBracket) depth--
    else if (code === minus || (code >= zero && code <= nine)) {
      const start = at
      while (isNumberPart(text.charCodeAt(at + 1))) at++
      if (!isPlainInteger(text, start, at + 1)) odd = true
    }
  }
  return odd ? isOdd : members
}

/** Counts the members of all objects within a parsed value. */
export function countMembers(value: Json): number {
  let members = 0
  const stack: Json[] = [value]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (typeof next !== 'object' || next === null) continue
    const children: readonly Json[] = Array.isArray(next) ? next : Object.values(next)
    if (!Array.isArray(next)) members += children.length
    for (const child of children) if (typeof child === 'object' && child !== null) stack.push(child)
  }
  return members
}

/** Digits and `+ - . E e`. */
function isNumberPart(code: number): boolean {
  return (
    (code >= zero && code <= nine) || code === 0x2b || code === minus || code === 0x2e || code === 0x45 || code === 0x65
  )
}

function isPlainInteger(text: string, start: number, end: number): boolean {
  if (end - start > sureDigits) return false
  const isNegative = text.charCodeAt(start) === minus
  if (isNegative && text.charCodeAt(start + 1) === zero) return false
  for (let at = isNegative ? start + 1 : start; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code < zero || code > nine) return false
  }
  return true
}
