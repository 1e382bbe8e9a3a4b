import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isCancellable, standingAt, stateAfter, stepOf, stricterStanding } from '../../../src/privacy/erasure/states.ts'
import type { Step } from '../../../src/privacy/erasure/states.ts'
import type { ErasureMode, ErasureState } from '../../../src/store/erasures.ts'

const order: readonly string[] = ['LOCKED', 'CENSUS', 'SCRUB', 'REDACT', 'PART', 'COLLECT', 'SETTLED', 'CLOSED']

interface Model {
  readonly state: ErasureState
  readonly resume_state: ErasureState | null
  readonly mode: ErasureMode
}

type Action = 'work' | 'late work' | 'hold' | 'release' | 'stricter' | 'cancel'

/** The production transitions, put together as the store does. */
function apply(model: Model, action: Action): Model {
  const step = stepOf(model)
  switch (action) {
    case 'work':
    case 'late work': {
      if (step === undefined) return model
      const next = standingAt(stateAfter(step, model.mode), action === 'late work')
      return { ...model, state: next.state, resume_state: next.resume }
    }
    case 'hold':
      return step === undefined || step === 'SETTLED' ? model : { ...model, state: 'HELD', resume_state: step }
    case 'release':
      return model.state === 'HELD'
        ? { ...model, state: model.resume_state as ErasureState, resume_state: null }
        : model
    case 'stricter': {
      if (model.mode === 'redact' || ['SETTLED', 'CLOSED', 'CANCELLED'].includes(model.state)) return model
      const next = stricterStanding(model)
      return { mode: 'redact', state: next.state, resume_state: next.resume }
    }
    case 'cancel':
      return isCancellable(model) ? { ...model, state: 'CANCELLED', resume_state: null } : model
  }
}

const at = ({ state, resume_state: resume }: Model) =>
  order.indexOf(state === 'HELD' || state === 'STUCK' ? (resume ?? '') : state)

test('whatever happens in whatever order, a job goes forward, ends, and redacts where it must', () => {
  const actions = fc.array(fc.constantFrom<Action>('work', 'late work', 'hold', 'release', 'stricter', 'cancel'), {
    maxLength: 40,
  })
  fc.assert(
    fc.property(actions, fc.constantFrom<ErasureMode>('redact', 'forget'), (list, mode) => {
      let model: Model = { state: 'LOCKED', resume_state: null, mode }
      const worked: Step[] = []
      let strictAfter = mode === 'redact' ? 0 : Infinity
      for (const action of [...list, 'release' as const, ...Array<Action>(8).fill('work')]) {
        const before = model
        const step = stepOf(model)
        if ((action === 'work' || action === 'late work') && step !== undefined) worked.push(step)
        model = apply(model, action)
        if (before.mode === 'forget' && model.mode === 'redact') strictAfter = worked.length
        if (before.state === 'CANCELLED' || before.state === 'CLOSED') expect(model).toEqual(before)
        else if (action !== 'stricter' && model.state !== 'CANCELLED')
          expect(at(model)).toBeGreaterThanOrEqual(at(before))
        if (model.state === 'CANCELLED' && before.state !== 'CANCELLED')
          expect(at(before)).toBeLessThan(order.indexOf('REDACT'))
        if (model.state === 'HELD' || model.state === 'STUCK')
          expect(stepOf({ state: 'STUCK', resume_state: model.resume_state })).toBeDefined()
        else expect(model.resume_state).toBeNull()
      }
      expect(['CLOSED', 'CANCELLED']).toContain(model.state)
      if (model.state === 'CLOSED') {
        for (const step of ['LOCKED', 'CENSUS', 'SCRUB', 'PART', 'COLLECT', 'SETTLED'] as const)
          expect(worked).toContain(step)
        if (strictAfter !== Infinity) {
          expect(worked.slice(strictAfter)).toContain('REDACT')
          expect(worked.lastIndexOf('COLLECT')).toBeGreaterThan(worked.lastIndexOf('REDACT'))
        }
      }
    }),
    { numRuns: 3_000 },
  )
})
