import { expect, test } from 'vitest'
import { creatorsOf, parseLevel, powerLevelsOf } from '../../../src/protocol/power-levels.ts'
import { alice, bob, creator, makeCreate, makeEvent, mod, versionOf } from './room-events.ts'

const levels = (id: string, content?: Parameters<typeof makeCreate>[1], create = {}) => {
  const version = versionOf(id)
  return powerLevelsOf(
    makeCreate(version, create),
    content && makeEvent(version, { type: 'm.room.power_levels', stateKey: '', content }),
  )
}

test('without the event: the creator has 100, or from version 12 all power', () => {
  expect(levels('11').levelOf(creator)).toBe(100)
  expect(levels('12').levelOf(creator)).toBe(Infinity)
  expect(levels('12', undefined, { additional_creators: [bob] }).levelOf(bob)).toBe(Infinity)
  expect(levels('11').levelOf(alice)).toBe(0)
  const { ban, kick, redact, invite, eventsDefault, stateDefault } = levels('11')
  expect([ban, kick, redact, invite, eventsDefault, stateDefault]).toEqual([50, 50, 50, 0, 0, 50])
})

test('with the event: users, default, and creators above all in version 12 only', () => {
  const content = { users: { [mod]: 50 }, users_default: 3, events: { x: 7 }, notifications: { room: 20 } }
  const eleven = levels('11', content)
  expect([eleven.levelOf(mod), eleven.levelOf(alice), eleven.levelOf(creator)]).toEqual([50, 3, 3])
  expect([eleven.requiredFor('x', false), eleven.requiredFor('y', false), eleven.requiredFor('y', true)]).toEqual([
    7, 0, 50,
  ])
  expect([eleven.notification('room'), eleven.notification('other')]).toEqual([20, 50])
  expect(levels('12', content).levelOf(creator)).toBe(Infinity)
})

test('names of Object.prototype are no entries', () => {
  const { levelOf, requiredFor } = { ...bound(levels('11', { users: {}, events: {} })) }
  expect(levelOf('constructor')).toBe(0)
  expect(requiredFor('toString', true)).toBe(50)
})

function bound(of: ReturnType<typeof levels>) {
  return { levelOf: of.levelOf.bind(of), requiredFor: of.requiredFor.bind(of) }
}

test.each([
  ['1', '-5', -5],
  ['9', ' +0100 ', 100],
  ['9', '1e3', undefined],
  ['9', '0x10', undefined],
  ['9', '- 5', undefined],
  ['9', '', undefined],
  ['9', '٣', undefined],
  ['10', '5', undefined],
  ['5', 50.99, 50],
  ['5', -50.99, -50],
  ['5', 5.114698e4, 51146],
  ['5', Infinity, undefined],
  ['6', 50.5, undefined],
  ['12', true, undefined],
  ['1', null, undefined],
] as const)('in version %s %j is the level %j', (id, value, level) => {
  expect(parseLevel(versionOf(id), value)).toBe(level)
})

test('creators by version', () => {
  const content = { creator: bob, additional_creators: [mod] }
  expect([...creatorsOf(makeCreate(versionOf('10'), content))]).toEqual([bob])
  expect([...creatorsOf(makeCreate(versionOf('11'), content))]).toEqual([creator])
  expect([...creatorsOf(makeCreate(versionOf('12'), content))]).toEqual([creator, mod])
})
