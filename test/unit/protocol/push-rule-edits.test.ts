import { describe, expect, test } from 'vitest'
import { MatrixError } from '../../../src/protocol/errors.ts'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import type { PushRuleEdits, RulePosition } from '../../../src/protocol/push-rule-edits.ts'
import {
  deletePushRule,
  getPushRule,
  noPushRuleEdits,
  ownPushRules,
  pushRulesetOf,
  putPushRule,
  setPushRuleActions,
  setPushRuleEnabled,
} from '../../../src/protocol/push-rule-edits.ts'
import { alice } from './room-events.ts'

const put = (edits: PushRuleEdits, id: string, position: RulePosition = {}, body: JsonObject = {}) =>
  putPushRule(edits, 'override', id, { actions: ['notify'], ...body }, position)
const ids = (edits: PushRuleEdits) => pushRulesetOf(alice, edits).override.map(({ rule_id: id }) => id)
const own = (edits: PushRuleEdits) => ids(edits).filter((id) => !id.startsWith('.'))
const abc = put(put(put(noPushRuleEdits, 'c'), 'b'), 'a')
const errcode = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    if (error instanceof MatrixError) return `${error.errcode} ${error.status}`
    throw error
  }
  return 'none'
}

describe('putting', () => {
  test('a new rule is the most important one, after the master rule and before the predefined ones', () => {
    expect(own(abc)).toEqual(['a', 'b', 'c'])
    expect(ids(abc).slice(0, 5)).toEqual(['.m.rule.master', 'a', 'b', 'c', '.m.rule.suppress_notices'])
    expect(getPushRule(alice, abc, 'override', 'a')).toEqual({
      rule_id: 'a',
      default: false,
      enabled: true,
      actions: ['notify'],
      conditions: [],
    })
  })
  test.each([
    [{ before: 'b' }, ['a', 'x', 'b', 'c']],
    [{ after: 'b' }, ['a', 'b', 'x', 'c']],
    [{ before: 'c', after: 'a' }, ['a', 'b', 'x', 'c']],
    [{ after: 'c' }, ['a', 'b', 'c', 'x']],
  ])('a new rule %j', (position, order) => {
    expect(own(put(abc, 'x', position))).toEqual(order)
  })
  test.each([
    [{}, ['a', 'b', 'c']],
    [{ before: 'a' }, ['b', 'a', 'c']],
    [{ after: 'c' }, ['a', 'c', 'b']],
    [{ before: 'b' }, ['a', 'b', 'c']],
  ])('a rule that there is %j', (position, order) => {
    const disabled = setPushRuleEnabled(alice, abc, 'override', 'b', false)
    const changed = put(disabled, 'b', position, { actions: ['dont_notify', { set_tweak: 'sound', value: 'x' }] })
    expect(own(changed)).toEqual(order)
    const rule = getPushRule(alice, changed, 'override', 'b')
    expect(rule.actions).toEqual([{ set_tweak: 'sound', value: 'x' }])
    expect(rule.enabled).toBe(false)
  })
  test('what is refused', () => {
    expect(errcode(() => put(abc, '.mine'))).toBe('M_INVALID_PARAM 400')
    expect(errcode(() => put(abc, 'a/b'))).toBe('M_INVALID_PARAM 400')
    expect(errcode(() => put(abc, 'a\\b'))).toBe('M_INVALID_PARAM 400')
    expect(errcode(() => put(abc, 'x', { before: 'none' }))).toBe('M_UNKNOWN 400')
    expect(errcode(() => put(abc, 'x', { after: '.m.rule.master' }))).toBe('M_UNKNOWN 400')
    expect(errcode(() => put(abc, 'x', { before: 'x' }))).toBe('M_UNKNOWN 400')
    expect(errcode(() => put(abc, 'x', {}, { actions: 'notify' }))).toBe('M_BAD_JSON 400')
    expect(errcode(() => put(abc, 'x', {}, { actions: [1] }))).toBe('M_BAD_JSON 400')
    expect(errcode(() => put(abc, 'x', {}, { conditions: [{}] }))).toBe('M_BAD_JSON 400')
    expect(errcode(() => put(abc, 'x', {}, { conditions: [{ kind: 'event_match' }] }))).toBe('M_BAD_JSON 400')
    expect(errcode(() => put(abc, 'x', {}, { conditions: [{ kind: 'org.new' }] }))).toBe('none')
    expect(errcode(() => putPushRule(abc, 'content', 'x', { actions: [] }))).toBe('M_BAD_JSON 400')
    expect(errcode(() => putPushRule(abc, 'content', 'x', { actions: [], pattern: 'y' }))).toBe('none')
  })
})

test('deleting: own rules only', () => {
  expect(own(deletePushRule(abc, 'override', 'b'))).toEqual(['a', 'c'])
  expect(errcode(() => deletePushRule(abc, 'override', 'none'))).toBe('M_NOT_FOUND 404')
  expect(errcode(() => deletePushRule(abc, 'underride', 'a'))).toBe('M_NOT_FOUND 404')
  expect(errcode(() => deletePushRule(abc, 'override', '.m.rule.master'))).toBe('M_NOT_FOUND 404')
})

test('predefined rules can be switched and given other actions, each keeping the other', () => {
  const on = setPushRuleEnabled(alice, noPushRuleEdits, 'override', '.m.rule.master', true)
  const both = setPushRuleActions(alice, on, 'override', '.m.rule.master', ['notify'])
  expect(getPushRule(alice, both, 'override', '.m.rule.master')).toMatchObject({
    enabled: true,
    actions: ['notify'],
    default: true,
  })
  expect(errcode(() => setPushRuleEnabled(alice, both, 'underride', '.m.rule.master', true))).toBe('M_NOT_FOUND 404')
  expect(errcode(() => setPushRuleActions(alice, abc, 'override', 'a', 'x'))).toBe('M_BAD_JSON 400')
  expect(getPushRule(alice, setPushRuleActions(alice, abc, 'override', 'a', []), 'override', 'a').actions).toEqual([])
})

test('edits are values: the old ones stay', () => {
  put(abc, 'z')
  expect([...ownPushRules(abc)].map(([kind, rule]) => `${kind} ${rule.rule_id}`)).toEqual([
    'override a',
    'override b',
    'override c',
  ])
  expect(noPushRuleEdits).toEqual({ own: {}, defaults: {} })
})
