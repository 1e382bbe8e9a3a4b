import { expect, test } from 'vitest'
import { alice, bob, creator, mod } from '../room-events.ts'
import { TestRoom } from './test-room.ts'

const topic = (sender: string, text: string, depth: number) => ({
  type: 'm.room.topic',
  sender,
  depth,
  content: { topic: text },
})

test('a key that one set lacks is no conflict', () => {
  const room = new TestRoom('1')
  const state = room.start()
  const joined = room.member(state, bob, 'join')
  const named = room.send(state, topic(creator, 'x', 5))
  expect(room.resolve(joined, named)).toEqual(new Map([...joined, ...named]))
})

test('of allowed events the deepest wins', () => {
  const room = new TestRoom('1')
  const state = room.start()
  const deep = room.send(state, topic(creator, 'deep', 50))
  const shallow = room.send(state, topic(creator, 'shallow', 40))
  expect(room.resolve(shallow, deep)).toEqual(deep)
  expect(room.resolve(deep, shallow)).toEqual(deep)
})

test('at one depth the lowest SHA-1 of the event id wins', () => {
  const room = new TestRoom('1')
  const state = room.start()
  // Their SHA-1 begin with e953…, abab… and e832….
  const ids = ['$a:a.test', '$b:a.test', '$c:a.test']
  const sets = ids.map((id) => room.send(state, { ...topic(creator, id, 50), id }))
  const resolved = room.resolve(...sets)
  const winner = room.event(room.at(resolved, 'm.room.topic') ?? 0).eventId
  expect(winner).toBe('$b:a.test')
})

test('power levels are taken from the shallowest on, as far as each allows the next', () => {
  const room = new TestRoom('1')
  const state = room.member(room.start('public', { users: { [creator]: 100, [mod]: 100 } }), mod, 'join')
  const demoted = room.send(state, { type: 'm.room.power_levels', content: { users: { [creator]: 100 } }, depth: 20 })
  const own = room.send(state, {
    type: 'm.room.power_levels',
    sender: mod,
    content: { users: { [creator]: 100, [mod]: 100, [alice]: 5 } },
    depth: 30,
  })
  expect(room.resolve(own, demoted)).toEqual(demoted)
})

test('a topic is checked against resolved power levels and members', () => {
  const room = new TestRoom('1')
  const state = room.member(room.start('public', { state_default: 0 }), bob, 'join')
  const before = room.send(state, topic(creator, 'old', 10))
  const gone = room.send(before, {
    type: 'm.room.member',
    stateKey: bob,
    sender: creator,
    content: { membership: 'ban' },
    depth: 20,
  })
  const topical = room.send(before, topic(bob, 'mine', 30))
  const resolved = room.resolve(gone, topical)
  expect(room.at(resolved, 'm.room.member', bob)).toBe(room.at(gone, 'm.room.member', bob))
  expect(room.at(resolved, 'm.room.topic')).toBe(room.at(before, 'm.room.topic'))
})
