import { hash } from 'node:crypto'
import type { Random } from '../util/ports.ts'

const prefixes = { access: 'lta', refresh: 'ltr', login: 'ltl', openid: 'lto' } as const

/** Makes a secret of 256 random bits; the prefix tells scanners of leaked secrets what it is. */
export function makeToken(random: Random, kind: keyof typeof prefixes): string {
  return `${prefixes[kind]}_${random.token(32)}`
}

/** What is stored of a token: a token of 256 random bits needs no slow hash. */
export function hashToken(token: string): string {
  return hash('sha256', token, 'base64url')
}

const deviceAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const nameAlphabet = 'abcdefghijkmnpqrstuvwxyz23456789'

/** An id for a device whose client names none. */
export function makeDeviceId(random: Random): string {
  return pick(random, deviceAlphabet, 10)
}

/** A localpart for an account whose owner names none. */
export function makeLocalpart(random: Random): string {
  return pick(random, nameAlphabet, 12)
}

function pick(random: Random, alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[random.integer(alphabet.length)]).join('')
}
