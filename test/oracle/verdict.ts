/** What the rules say of an event, and which of them decided: the names are the specification's own words, short. */
export interface Verdict {
  readonly allowed: boolean
  readonly rule: string
}

export function allow(rule: string): Verdict {
  return { allowed: true, rule }
}

export function reject(rule: string): Verdict {
  return { allowed: false, rule }
}
