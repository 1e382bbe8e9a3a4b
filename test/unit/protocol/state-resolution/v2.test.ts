import { describe, expect, test } from 'vitest'
import { roomVersions } from '../../../../src/protocol/room-version.ts'
import { alice, bob, creator, mod } from '../room-events.ts'
import { TestRoom } from './test-room.ts'

const fromTwo = [...roomVersions.keys()].filter((id) => id !== '1')
const topicBy = (sender: string, topic: string, ts?: number) => ({
  type: 'm.room.topic',
  sender,
  content: { topic },
  ...(ts !== undefined && { ts }),
})

describe.each(fromTwo)('state resolution, version %s', (id) => {
  const open = { state_default: 0 }

  test('one set stays as it is', () => {
    const room = new TestRoom(id)
    const state = room.member(room.start(), alice, 'join')
    expect(room.resolve(state)).toEqual(state)
    expect(room.resolve(state, new Map(state))).toEqual(state)
  })

  test('a ban beats a concurrent topic of the banned user', () => {
    const room = new TestRoom(id)
    const state = room.member(room.start('public', open), bob, 'join')
    const banned = room.member(state, bob, 'ban', creator)
    const topic = room.send(state, topicBy(bob, 'mine now'))
    const resolved = room.resolve(banned, topic)
    expect(resolved).toEqual(banned)
    expect(room.resolve(topic, banned)).toEqual(resolved)
  })

  test('a topic that the user set before a ban that knows of it stays', () => {
    const room = new TestRoom(id)
    const state = room.send(room.member(room.start('public', open), bob, 'join'), topicBy(bob, 'mine'))
    const banned = room.member(state, bob, 'ban', creator)
    const joined = room.member(state, alice, 'join')
    const resolved = room.resolve(banned, joined)
    expect(room.at(resolved, 'm.room.topic')).toBe(room.at(state, 'm.room.topic'))
    expect(room.at(resolved, 'm.room.member', alice)).toBe(room.at(joined, 'm.room.member', alice))
    expect(room.at(resolved, 'm.room.member', bob)).toBe(room.at(banned, 'm.room.member', bob))
  })

  test('of two topics the later by the clock wins, and the higher event id of a tie', () => {
    const room = new TestRoom(id)
    const state = room.start()
    const early = room.send(state, topicBy(creator, 'a', 500))
    const late = room.send(state, topicBy(creator, 'b', 600))
    const same = room.send(state, topicBy(creator, 'c', 600))
    expect(room.resolve(late, early)).toEqual(late)
    expect(room.resolve(early, late)).toEqual(late)
    expect(room.resolve(same, late, early)).toEqual(same)
  })

  test('an event outside the conflict puts none before another', () => {
    const room = new TestRoom(id)
    const start = room.start()
    const rules = (join_rule: string, ts: number) => ({ type: 'm.room.join_rules', content: { join_rule }, ts })
    const late = room.send(start, rules('public', 900))
    // The creator's own event names the rules of this fork, and the other fork's rules name the creator's event.
    const linked = room.send(late, {
      type: 'm.room.member',
      stateKey: creator,
      content: { membership: 'join', displayname: 'x' },
    })
    const early = room.send(linked, rules('invite', 100))
    const at = (state: ReadonlyMap<number, number>) => room.at(state, 'm.room.join_rules')
    // In version 12 it belongs to the conflicted state subgraph.
    expect(at(room.resolve(early, linked))).toBe(at(room.version.stateResolution === 'v2.1' ? early : linked))
  })

  test('a topic based on later power levels wins over a later clock', () => {
    const room = new TestRoom(id)
    const state = room.start()
    const old = room.send(state, topicBy(creator, 'old levels', 9000))
    const levels = room.event(room.at(state, 'm.room.power_levels') ?? 0).content
    const raised = room.send(state, { type: 'm.room.power_levels', content: { ...levels, kick: 40 } })
    const fresh = room.send(raised, topicBy(creator, 'new levels', 100))
    expect(room.resolve(old, fresh)).toEqual(fresh)
  })

  test('a demotion beats what the demoted user did meanwhile', () => {
    const room = new TestRoom(id)
    const users = room.version.privilegedCreators ? {} : { [creator]: 100 }
    const state = room.member(room.start('public', { users: { ...users, [mod]: 50 } }), mod, 'join')
    const demoted = room.send(state, { type: 'm.room.power_levels', content: { users }, ts: 900 })
    const closed = room.send(state, {
      type: 'm.room.join_rules',
      sender: mod,
      content: { join_rule: 'invite' },
      ts: 100,
    })
    expect(room.resolve(demoted, closed)).toEqual(demoted)
  })

  test('of equals the earlier by the clock acts first', () => {
    const room = new TestRoom(id)
    const users = { ...(!room.version.privilegedCreators && { [creator]: 100 }), [mod]: 50, [bob]: 50 }
    const state = room.member(room.member(room.start('public', { users }), mod, 'join'), bob, 'join')
    const closed = room.send(state, {
      type: 'm.room.join_rules',
      sender: bob,
      content: { join_rule: 'invite' },
      ts: 100,
    })
    const opened = room.send(state, {
      type: 'm.room.join_rules',
      sender: mod,
      content: { join_rule: 'knock' },
      ts: 200,
    })
    expect(room.resolve(opened, closed)).toEqual(opened)
    // At the same time the lower event id acts first.
    const lower = { type: 'm.room.join_rules', sender: mod, content: {}, ts: 300, id: '$a:a.test' }
    const first = room.send(state, lower)
    const second = room.send(state, { ...lower, sender: bob, id: '$b:a.test' })
    expect(room.resolve(second, first)).toEqual(second)
  })

  test('what one fork alone refers to is not ordered if all sets have it', () => {
    const room = new TestRoom(id)
    // Both were promoted after they joined: by their joins they would come in the order of these, bob last.
    const joined = room.member(room.member(room.start('public'), mod, 'join'), bob, 'join')
    const users = { ...(!room.version.privilegedCreators && { [creator]: 100 }), [mod]: 50, [bob]: 50 }
    const state = room.send(joined, { type: 'm.room.power_levels', content: { users } })
    const closed = room.send(state, {
      type: 'm.room.join_rules',
      sender: bob,
      content: { join_rule: 'invite' },
      ts: 100,
    })
    const opened = room.send(state, {
      type: 'm.room.join_rules',
      sender: mod,
      content: { join_rule: 'knock' },
      ts: 200,
    })
    expect(room.resolve(opened, closed)).toEqual(opened)
  })

  test('unconflicted state wins over an older event of the same key from the auth difference', () => {
    const room = new TestRoom(id)
    const first = room.start('public', open)
    // Two forks change the levels; afterwards all agree on the first fork's, but an event of the other still counts.
    const content = room.event(room.at(first, 'm.room.power_levels') ?? 0).content
    const one = room.send(first, { type: 'm.room.power_levels', content: { ...content, kick: 1 } })
    const two = room.send(first, { type: 'm.room.power_levels', content: { ...content, kick: 2 } })
    const topic = room.add(two, topicBy(creator, 'x'))
    expect(room.resolve(one, room.with(one, topic))).toEqual(room.with(one, topic))
  })

  test('an auth event stands in for missing state, but not a rejected one', () => {
    const room = new TestRoom(id)
    const state = room.member(room.start('invite', open), bob, 'join')
    // Fails its own check, so that it is in no state.
    const join = room.add(state, { type: 'm.room.member', stateKey: mod, sender: mod, content: { membership: 'join' } })
    const topic = room.add(room.with(state, join), topicBy(mod, 'x'))
    const after = room.with(state, topic)
    expect(room.at(room.resolve(state, after), 'm.room.topic')).toBe(topic)
    room.rejected.add(join)
    expect(room.at(room.resolve(state, after), 'm.room.topic')).toBeUndefined()
  })

  test('no recursion: a chain of 20,000 power levels', () => {
    const room = new TestRoom(id)
    const base = room.start()
    const content = room.event(room.at(base, 'm.room.power_levels') ?? 0).content
    let long = base
    for (let i = 0; i < 20_000; i++) long = room.send(long, { type: 'm.room.power_levels', content })
    expect(room.resolve(base, long)).toEqual(long)
  })
})

describe('what version 12 changed', () => {
  // Join rules were closed since, and a set has lost a member who came while they were open.
  const closedSince = (id: string) => {
    const room = new TestRoom(id)
    const open = room.start('public')
    // Alice's join has the old join rules in the auth chains of both sets, so that they are not in the difference.
    const joined = room.member(room.member(open, alice, 'join'), bob, 'join')
    const closed = room.send(joined, { type: 'm.room.join_rules', content: { join_rule: 'invite' } })
    const lacking = new Map(closed)
    lacking.delete(room.key('m.room.member', bob))
    const resolved = room.resolve(closed, lacking)
    return { bob: room.at(resolved, 'm.room.member', bob), joined: room.at(joined, 'm.room.member', bob) }
  }
  test('checks start from the empty state, so that old events are not judged by newer unconflicted state', () => {
    const before = closedSince('11')
    expect(before.bob).toBeUndefined()
    const since = closedSince('12')
    expect(since.bob).toBe(since.joined)
  })

  // The second power levels let bob send the third; both sets have them in their auth chains, so that they are not in
  // the auth difference; one set has gone back to the first.
  const throughTheMiddle = (id: string) => {
    const room = new TestRoom(id)
    const users = room.version.privilegedCreators ? {} : { [creator]: 100 }
    const first = room.member(room.member(room.start('public'), bob, 'join'), alice, 'join')
    const second = room.send(first, { type: 'm.room.power_levels', content: { users: { ...users, [bob]: 90 } } })
    const joined = room.member(second, mod, 'join')
    const third = room.send(joined, {
      type: 'm.room.power_levels',
      sender: bob,
      content: { users: { ...users, [bob]: 90, [alice]: 10 } },
    })
    const back = room.with(joined, room.at(first, 'm.room.power_levels') ?? 0)
    const resolved = room.resolve(third, back)
    return {
      resolved: room.at(resolved, 'm.room.power_levels'),
      first: room.at(first, 'm.room.power_levels'),
      third: room.at(third, 'm.room.power_levels'),
    }
  }
  test('what lies between conflicted events is replayed too, so that the later ones stand', () => {
    const before = throughTheMiddle('11')
    expect(before.resolved).toBe(before.first)
    const since = throughTheMiddle('12')
    expect(since.resolved).toBe(since.third)
  })
})
