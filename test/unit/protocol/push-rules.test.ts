import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/protocol/json-types.ts'
import { defaultPushRules } from '../../../src/protocol/default-push-rules.ts'
import { powerLevelsOf } from '../../../src/protocol/power-levels.ts'
import type { PushRule, PushRuleKind, PushRuleset } from '../../../src/protocol/push-rule-types.ts'
import { compilePushRules, evaluatePushRules } from '../../../src/protocol/push-rules.ts'
import type { Draft } from './room-events.ts'
import { alice, bob, makeCreate, makeEvent, mod, usualPower, versionOf } from './room-events.ts'

const version = versionOf('12')
const powerLevels = powerLevelsOf(
  makeCreate(version),
  makeEvent(version, { type: 'm.room.power_levels', stateKey: '', content: usualPower(version) }),
)
const none: PushRuleset = { override: [], content: [], room: [], sender: [], underride: [] }
const context = { memberCount: 5, powerLevels, displayName: 'Alice L.' }

const evaluate = (ruleset: PushRuleset, draft: Draft, more: Partial<typeof context> = {}) =>
  evaluatePushRules(compilePushRules(alice, ruleset), makeEvent(version, { sender: bob, ...draft }), {
    ...context,
    ...more,
  })
const message = (content: JsonObject, more: Partial<Draft> = {}): Draft => ({
  type: 'm.room.message',
  content,
  ...more,
})

describe('predefined rules', () => {
  const byDefault = (draft: Draft, more: Partial<typeof context> = {}) => {
    const outcome = evaluate(defaultPushRules(alice), draft, more)
    return outcome && [outcome.ruleId.slice(8), outcome.notify, outcome.highlight, outcome.tweaks.sound]
  }
  const body = { msgtype: 'm.text', body: 'hello' }
  const state = { stateKey: '' }
  const invite = { type: 'm.room.member', content: { membership: 'invite' } }
  const mention = { ...body, 'm.mentions': { user_ids: [bob, alice] } }
  const room = { ...body, 'm.mentions': { room: true } }
  const two = { memberCount: 2 }
  test.each<[string, Draft, Partial<typeof context>, unknown]>([
    ['message', message(body), {}, ['message', true, false, undefined]],
    ['message of two', message(body), two, ['room_one_to_one', true, false, 'default']],
    ['encrypted', { type: 'm.room.encrypted' }, {}, ['encrypted', true, false, undefined]],
    ['encrypted of two', { type: 'm.room.encrypted' }, two, ['encrypted_room_one_to_one', true, false, 'default']],
    ['notice', message({ ...body, msgtype: 'm.notice' }), two, ['suppress_notices', false, false, undefined]],
    ['invite', { ...invite, stateKey: alice }, {}, ['invite_for_me', true, false, 'default']],
    ["another's invite", { ...invite, stateKey: mod }, {}, ['member_event', false, false, undefined]],
    ['mention', message(mention), {}, ['is_user_mention', true, true, 'default']],
    ['room mention by a moderator', message(room, { sender: mod }), {}, ['is_room_mention', true, true, undefined]],
    ['room mention by anybody', message(room), {}, ['message', true, false, undefined]],
    [
      'room mention that is a text',
      message({ 'm.mentions': { room: 'true' } }, { sender: mod }),
      {},
      ['message', true, false, undefined],
    ],
    ['tombstone', { type: 'm.room.tombstone', ...state }, {}, ['tombstone', true, true, undefined]],
    ['tombstone that is no state', { type: 'm.room.tombstone' }, {}, undefined],
    ['reaction', { type: 'm.reaction' }, two, ['reaction', false, false, undefined]],
    ['server ACL', { type: 'm.room.server_acl', ...state }, {}, ['room.server_acl', false, false, undefined]],
    ['edit', message({ 'm.relates_to': { rel_type: 'm.replace' } }), two, ['suppress_edits', false, false, undefined]],
    ['call', { type: 'm.call.invite' }, {}, ['call', true, false, 'ring']],
    ['topic', { type: 'm.room.topic', ...state }, {}, undefined],
    ['own message', message(body, { sender: alice }), {}, undefined],
    [
      'own name in the body, which no rule looks for now',
      message({ body: 'alice' }),
      {},
      ['message', true, false, undefined],
    ],
  ])('%s', (_, draft, more, expected) => {
    expect(byDefault(draft, more)).toEqual(expected)
  })

  test('their order is that of the specification, and every one is marked', () => {
    const rules = defaultPushRules(alice)
    expect(rules.override.map(({ rule_id: id }) => id.slice(8))).toEqual([
      'master',
      'suppress_notices',
      'invite_for_me',
      'member_event',
      'is_user_mention',
      'is_room_mention',
      'tombstone',
      'reaction',
      'room.server_acl',
      'suppress_edits',
    ])
    expect(rules.underride.map(({ rule_id: id }) => id.slice(8))).toEqual([
      'call',
      'encrypted_room_one_to_one',
      'room_one_to_one',
      'message',
      'encrypted',
    ])
    const all = [...rules.override, ...rules.underride]
    expect(all.every((rule) => rule.default)).toBe(true)
    expect(all.filter((rule) => !rule.enabled).map(({ rule_id: id }) => id)).toEqual(['.m.rule.master'])
  })
})

const rule = (more: Partial<PushRule>): PushRule => ({
  rule_id: 'mine',
  default: false,
  enabled: true,
  actions: ['notify'],
  ...more,
})

describe('conditions', () => {
  const holds = (condition: JsonObject, draft: Draft, more: Partial<typeof context> = {}) =>
    evaluate({ ...none, override: [rule({ conditions: [condition] })] }, draft, more) !== undefined
  const topic = (value: JsonObject[string]): Draft => ({
    type: 'm.room.topic',
    stateKey: '',
    content: { topic: value },
  })

  test.each([
    ['Lunch plans', true],
    ['LUNCH', true],
    [' lunch', false],
    ['lunc', false],
    [null, false],
    [1, false],
  ])('event_match of lunc?* and %j', (value, expected) => {
    expect(holds({ kind: 'event_match', key: 'content.topic', pattern: 'lunc?*' }, topic(value))).toBe(expected)
  })
  test('event_match: absent is not matched by *; the body is matched by words; keys outside content', () => {
    expect(holds({ kind: 'event_match', key: 'content.none', pattern: '*' }, topic('x'))).toBe(false)
    const cake = { kind: 'event_match', key: 'content.body', pattern: 'CAKE' }
    expect(holds(cake, message({ body: 'The cake is a lie' }))).toBe(true)
    expect(holds(cake, message({ body: 'pancakes' }))).toBe(false)
    expect(holds({ kind: 'event_match', key: 'content.other', pattern: 'cake' }, message({ other: 'a cake' }))).toBe(
      false,
    )
    expect(holds({ kind: 'event_match', key: 'sender', pattern: '@bob:*' }, topic('x'))).toBe(true)
    expect(holds({ kind: 'event_match', key: 'room_id', pattern: '!room:*' }, topic('x'))).toBe(true)
    expect(holds({ kind: 'event_match', key: 'state_key', pattern: '' }, topic('x'))).toBe(true)
    expect(holds({ kind: 'event_match', key: 'state_key', pattern: '' }, message({}))).toBe(false)
  })
  test.each([
    [true, true, true],
    [true, 'true', false],
    [true, 1, false],
    [null, null, true],
    [3, 3, true],
    ['x', 'X', false],
  ])('event_property_is %j of %j', (value, actual, expected) => {
    const condition = { kind: 'event_property_is', key: 'content.m\\.federate', value }
    expect(holds(condition, message({ 'm.federate': actual }))).toBe(expected)
  })
  test('event_property_is: absent is not null, and compound values match nothing', () => {
    expect(holds({ kind: 'event_property_is', key: 'content.x', value: null }, message({}))).toBe(false)
    expect(holds({ kind: 'event_property_is', key: 'content.x', value: [] }, message({ x: [] }))).toBe(false)
  })
  test('event_property_contains: exactly, in arrays only', () => {
    const has = { kind: 'event_property_contains', key: 'content.list', value: '#a:b' }
    expect(holds(has, message({ list: [{}, '#a:b'] }))).toBe(true)
    expect(holds(has, message({ list: ['#a:b.test', ':b'] }))).toBe(false)
    expect(holds(has, message({ list: '#a:b' }))).toBe(false)
  })
  test.each([
    ['5', true],
    ['==5', true],
    ['4', false],
    ['<5', false],
    ['<6', true],
    ['<=5', true],
    ['>5', false],
    ['>4', true],
    ['>=5', true],
    ['>=6', false],
    ['=5', false],
    ['5.0', false],
    ['', false],
  ])('room_member_count %s of 5', (is, expected) => {
    expect(holds({ kind: 'room_member_count', is }, message({}))).toBe(expected)
  })
  test('contains_display_name: literally, between word boundaries, in any case', () => {
    const name = { kind: 'contains_display_name' }
    expect(holds(name, message({ body: 'hey aLICE l., hello' }))).toBe(true)
    expect(holds(name, message({ body: 'hey Alice Lo' }))).toBe(false)
    expect(holds(name, message({ body: 'ab c' }), { displayName: 'a*c' })).toBe(false)
    expect(holds(name, message({ body: 'x' }), { displayName: '' })).toBe(false)
  })
  test('sender_notification_permission', () => {
    const permission = { kind: 'sender_notification_permission', key: 'room' }
    expect(holds(permission, message({}, { sender: mod }))).toBe(true)
    expect(holds(permission, message({}))).toBe(false)
  })
  test.each([{ kind: 'org.example.new' }, { kind: 'toString' }, {}, { kind: 'event_match', key: 'type' }])(
    '%j never matches',
    (condition) => {
      expect(holds(condition, message({}))).toBe(false)
    },
  )
  test('all conditions must hold, and no condition always does', () => {
    const yes = { kind: 'room_member_count', is: '5' }
    const no = { kind: 'room_member_count', is: '6' }
    expect(evaluate({ ...none, override: [rule({ conditions: [yes, no] })] }, message({}))).toBeUndefined()
    expect(evaluate({ ...none, override: [rule({ conditions: [] })] }, message({}))).toBeDefined()
  })
})

describe('rules', () => {
  const draft = message({ body: 'time for tea' })
  const at: { [kind in PushRuleKind]: PushRule } = {
    override: rule({ conditions: [] }),
    content: rule({ pattern: 'TEA' }),
    room: rule({ rule_id: '!room:a.test' }),
    sender: rule({ rule_id: bob }),
    underride: rule({}),
  }
  test('kinds are tried in their order, and rules of a kind in theirs', () => {
    let rules: PushRuleset = none
    for (const kind of ['underride', 'sender', 'room', 'content', 'override'] as const) {
      rules = { ...rules, [kind]: [at[kind], rule({ rule_id: 'later', pattern: 'time' })] }
      expect(evaluate(rules, draft)).toMatchObject({ kind, ruleId: at[kind].rule_id })
    }
  })
  test('disabled rules never match', () => {
    expect(evaluate({ ...none, override: [rule({ enabled: false })] }, draft)).toBeUndefined()
  })
  test('other rooms, senders and words do not match', () => {
    expect(evaluate({ ...none, room: [rule({ rule_id: '!other:a.test' })] }, draft)).toBeUndefined()
    expect(evaluate({ ...none, sender: [rule({ rule_id: mod })] }, draft)).toBeUndefined()
    expect(evaluate({ ...none, content: [rule({ pattern: 'te' })] }, draft)).toBeUndefined()
    expect(evaluate({ ...none, content: [rule({})] }, draft)).toBeUndefined()
  })
  test('actions: tweaks, and those of former times are nothing', () => {
    const outcome = (actions: PushRule['actions']) => evaluate({ ...none, override: [rule({ actions })] }, draft)
    expect(outcome(['dont_notify', 'coalesce'])).toMatchObject({ notify: false, actions: [], tweaks: {} })
    expect(outcome(['notify', { set_tweak: 'highlight' }, { set_tweak: 'x.y', value: 3 }])).toMatchObject({
      notify: true,
      highlight: true,
      tweaks: { highlight: true, 'x.y': 3 },
    })
    expect(outcome(['notify', { set_tweak: 'highlight', value: false }])).toMatchObject({ highlight: false })
  })
})
