import { expect, test } from 'vitest'
import { roomVersions } from '../../../../src/protocol/room-version.ts'
import { findConflict } from '../../../../src/protocol/state-resolution/full-conflicted-set.ts'
import { eventsToLoad, stateToLoad } from '../../../../src/protocol/state-resolution/plan.ts'
import { resolveState } from '../../../../src/protocol/state-resolution/resolve.ts'
import { splitState } from '../../../../src/protocol/state-resolution/split.ts'
import { alice, bob, creator, mod } from '../room-events.ts'
import { TestRoom } from './test-room.ts'

test.each([...roomVersions.keys()])(
  'what is planned to be loaded is enough, and is not everything, version %s',
  (id) => {
    const room = new TestRoom(id)
    let base = room.start('public', { state_default: 0 })
    for (let i = 0; i < 50; i++) base = room.member(base, `@user${i}:a.test`, 'join')
    for (const user of [mod, alice, bob]) base = room.member(base, user, 'join')
    const one = room.send(room.member(base, bob, 'ban', creator), { type: 'm.room.topic', sender: mod, content: {} })
    const two = room.send(room.member(base, '@user3:a.test', 'leave'), {
      type: 'm.room.topic',
      sender: bob,
      content: {},
    })
    const sets = [one, two]
    const input = room.input(sets)

    const split = splitState(sets)
    const loaded = new Set<number>()
    const conflict = findConflict(room.version, sets, split, input.authEdges)
    for (const nid of eventsToLoad(conflict, input.authEdges)) loaded.add(nid)
    for (const { type, stateKey } of stateToLoad(conflict.full.map(input.event))) {
      const nid = split.unconflicted.get(room.key(type, stateKey))
      if (nid !== undefined) loaded.add(nid)
    }
    const event = (nid: number) => {
      expect(loaded).toContain(nid)
      return input.event(nid)
    }
    expect(resolveState({ ...input, event }, conflict)).toEqual(room.resolve(one, two))
    expect(loaded.size).toBeLessThan(15)
  },
)
