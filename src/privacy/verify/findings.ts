import type { UserId } from '../../protocol/ids.ts'

/** One place in which something of the person was found. */
export interface Finding {
  /** `table.column`, `table (rows)`, or the kind of file */
  readonly where: string
  /** `user_id`, `localpart`, `also:1` … : the texts themselves are not repeated */
  readonly what: string
  readonly count: number
  readonly may_be: boolean
  readonly why: string
}

/** What is searched for. */
export interface Term {
  readonly what: string
  readonly text: string
  /** the user id or its localpart, which may stay in rooms (P4) */
  readonly isId: boolean
}

/** What `lethe privacy verify` says. */
export interface Verification {
  readonly user_id: UserId
  readonly erasure: { readonly id: string; readonly state: string; readonly content: string } | null
  readonly found: readonly Finding[]
  readonly clean: boolean
}

/** Adds equal findings up. */
export function addUp(findings: readonly Finding[]): Finding[] {
  const sums = new Map<string, Finding>()
  for (const finding of findings) {
    const key = JSON.stringify([finding.where, finding.what, finding.may_be, finding.why])
    const known = sums.get(key)
    sums.set(key, known === undefined ? finding : { ...known, count: known.count + finding.count })
  }
  return [...sums.values()]
}

/** How often a text stands in another. */
export function countIn(text: string, needle: string): number {
  let count = 0
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + needle.length)) count++
  return count
}
