import { describe, expect, test } from 'vitest'
import type { EventDraft } from '../../../../src/protocol/auth/required-state.ts'
import { requiredState } from '../../../../src/protocol/auth/required-state.ts'
import { checkAuthEventsSelection } from '../../../../src/protocol/auth/selection.ts'
import type { JsonObject } from '../../../../src/protocol/json-types.ts'
import { roomVersions } from '../../../../src/protocol/room-version.ts'
import { alice, bob, makeCreate, makeEvent, makeMember, mod, versionOf } from '../room-events.ts'

const keysOf = (versionId: string, draft: Omit<EventDraft, 'version'>): string[] =>
  requiredState({ version: versionOf(versionId), ...draft }).map(({ type, stateKey }) => `${type.slice(7)}|${stateKey}`)
const member = (content: JsonObject, target = bob) => ({
  type: 'm.room.member',
  sender: alice,
  stateKey: target,
  content,
})

describe('auth events selection', () => {
  test('a create event has none', () => {
    expect(keysOf('11', { type: 'm.room.create', sender: alice, stateKey: '', content: {} })).toEqual([])
  })
  test('any event: create, power levels, sender', () => {
    const message = { type: 'm.room.message', sender: alice, stateKey: undefined, content: { membership: 'join' } }
    expect(keysOf('11', message)).toEqual(['create|', 'power_levels|', `member|${alice}`])
    expect(keysOf('12', message)).toEqual(['power_levels|', `member|${alice}`])
  })
  test.each(['join', 'invite', 'knock'])('%s: target and join rules too', (membership) => {
    expect(keysOf('11', member({ membership }))).toEqual([
      'create|',
      'power_levels|',
      'join_rules|',
      `member|${alice}`,
      `member|${bob}`,
    ])
  })
  test.each(['leave', 'ban'])('%s: target but not the join rules', (membership) => {
    expect(keysOf('12', member({ membership }))).toEqual(['power_levels|', `member|${alice}`, `member|${bob}`])
  })
  test('the sender is not selected twice', () => {
    expect(keysOf('12', member({ membership: 'leave' }, alice))).toEqual(['power_levels|', `member|${alice}`])
  })
  test('the third-party invite of an invite, and of nothing else', () => {
    const third_party_invite = { signed: { token: 'tok' } }
    expect(keysOf('1', member({ membership: 'invite', third_party_invite }))).toContain('third_party_invite|tok')
    expect(keysOf('1', member({ membership: 'join', third_party_invite }))).not.toContain('third_party_invite|tok')
    expect(keysOf('1', member({ membership: 'invite', third_party_invite: 'odd' }))).toHaveLength(5)
  })
  test('who authorised a join, where joins can be restricted', () => {
    const content = { membership: 'join', join_authorised_via_users_server: mod }
    expect(keysOf('8', member(content))).toContain(`member|${mod}`)
    expect(keysOf('7', member(content))).not.toContain(`member|${mod}`)
    expect(keysOf('8', member({ ...content, membership: 'invite' }))).not.toContain(`member|${mod}`)
  })
})

describe.each([...roomVersions.values()])('the rule on auth events, version $id', (version) => {
  const create = { event: makeCreate(version), rejected: false }
  const power = { event: makeEvent(version, { type: 'm.room.power_levels', stateKey: '' }), rejected: false }
  const sender = { event: makeMember(version, alice, 'join'), rejected: false }
  const rules = { event: makeEvent(version, { type: 'm.room.join_rules', stateKey: '' }), rejected: false }
  const message = makeEvent(version, { type: 'm.room.message', sender: alice })
  const base = version.roomIdIsCreateHash ? [power, sender] : [create, power, sender]
  const check = (events: typeof base, of = create) => checkAuthEventsSelection(message, events, of)

  test('what is selected is allowed, and so is less', () => {
    expect(check(base)).toBeUndefined()
    expect(check(base.filter((each) => each !== power))).toBeUndefined()
    expect(checkAuthEventsSelection(create.event, [])).toBeUndefined()
  })
  test('2.1 (3.1): duplicates', () => {
    expect(check([...base, { event: makeMember(version, alice, 'join'), rejected: false }])).toMatch(/same state key/)
  })
  test('2.2 (3.2): what is not to be selected', () => {
    expect(check([...base, rules])).toMatch(/not to be selected/)
    expect(check([...base, { event: makeMember(version, bob, 'join'), rejected: false }])).toMatch(/not to be selected/)
    expect(check([...base, { event: makeEvent(version, { type: 'm.room.message' }), rejected: false }])).toMatch(
      /not a state event/,
    )
  })
  test('2.3 (3.3): rejected', () => {
    expect(check(base.map((each) => (each === sender ? { ...each, rejected: true } : each)))).toMatch(/rejected/)
  })
  test('2.5 (3.5): of another room', () => {
    const elsewhere = { event: makeMember(version, alice, 'join', { room: '!other:a.test' }), rejected: false }
    expect(check(base.map((each) => (each === sender ? elsewhere : each)))).toMatch(/another room/)
  })
  if (version.roomIdIsCreateHash) {
    test('3.2: the create event', () => expect(check([create, ...base])).toMatch(/not to be selected/))
    test('2: the room id', () => {
      expect(checkAuthEventsSelection(message, base)).toMatch(/names no create event/)
      expect(check(base, { ...create, rejected: true })).toMatch(/create event that the room id names was rejected/)
      expect(check(base, sender)).toMatch(/names no create event/)
      const other = makeEvent(version, { type: 'm.room.create', stateKey: '', room: '!other' })
      expect(check(base, { event: other, rejected: false })).toMatch(/names no create event/)
    })
  } else
    test('2.4: no create event', () => {
      expect(check(base.filter((each) => each !== create))).toMatch(/no create event/)
    })
})
