import type { ErasureMode, ErasureState } from '../../store/erasures.ts'

/** A step that the job itself works on. */
export type Step = 'LOCKED' | 'CENSUS' | 'SCRUB' | 'REDACT' | 'PART' | 'COLLECT' | 'SETTLED'

const steps: readonly Step[] = ['LOCKED', 'CENSUS', 'SCRUB', 'REDACT', 'PART', 'COLLECT', 'SETTLED']

/** What a row says of where the job is. */
export interface Standing {
  readonly state: string
  readonly resume_state: string | null
}

/** The step that the job is at, also while it is STUCK; undefined where it is over, or held. */
export function stepOf({ state, resume_state: resume }: Standing): Step | undefined {
  const named = state === 'STUCK' ? resume : state
  return steps.find((step) => step === named)
}

/** The state after a step. */
export function stateAfter(step: Step, mode: ErasureMode): ErasureState {
  switch (step) {
    case 'LOCKED':
      return 'CENSUS'
    case 'CENSUS':
      return 'SCRUB'
    case 'SCRUB':
      return mode === 'redact' ? 'REDACT' : 'PART'
    case 'REDACT':
      return 'PART'
    case 'PART':
      return 'COLLECT'
    case 'COLLECT':
      return 'SETTLED'
    case 'SETTLED':
      return 'CLOSED'
  }
}

/** Whether an erasure can still be called off: nothing was done that cannot be taken back. */
export function isCancellable(standing: Standing): boolean {
  const at = standing.state === 'HELD' ? standing.resume_state : (stepOf(standing) ?? null)
  return at === 'LOCKED' || at === 'CENSUS' || at === 'SCRUB'
}

/** Where a job goes on that becomes stricter: at the redactions, or where it is, if it has not come so far. */
export function stricterStanding(standing: Standing): {
  readonly state: ErasureState
  readonly resume: ErasureState | null
} {
  const isBehind = (at: string | null) => at === 'PART' || at === 'COLLECT'
  const { state, resume_state: resume } = standing
  if (state === 'HELD' || state === 'STUCK')
    return { state, resume: isBehind(resume) ? 'REDACT' : (resume as ErasureState | null) }
  return { state: isBehind(state) ? 'REDACT' : (state as ErasureState), resume: null }
}

/** How a state is stored: a job past its deadline says so, and remembers where it is. */
export function standingAt(
  reached: ErasureState,
  isLate: boolean,
): { readonly state: ErasureState; readonly resume: ErasureState | null } {
  const isOver = reached === 'SETTLED' || reached === 'CLOSED'
  return isLate && !isOver ? { state: 'STUCK', resume: reached } : { state: reached, resume: null }
}
