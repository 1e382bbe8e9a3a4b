import { expect, test } from 'vitest'
import { resolveState } from '../../src/protocol/state-resolution/resolve.ts'
import { creator } from '../unit/protocol/room-events.ts'
import { TestRoom } from '../unit/protocol/state-resolution/test-room.ts'

test.each(['1', '11', '12'])('10,000 members, 8 forks of 100 joins and 5 power events, version %s', (id) => {
  const room = new TestRoom(id)
  const base = room.start('public')
  for (let i = 0; i < 10_000; i++) {
    const user = `@user${i}:a.test`
    const draft = { type: 'm.room.member', stateKey: user, sender: user, content: { membership: 'join' } }
    const nid = room.add(base, draft)
    base.set(room.key('m.room.member', user), nid)
  }
  const { content } = room.event(room.at(base, 'm.room.power_levels') ?? 0)
  const forks = Array.from({ length: 8 }, (_, fork) => {
    let state = new Map(base)
    for (let i = 0; i < 100; i++) {
      const user = `@user${fork * 50 + i}:a.test`
      const membership = i % 2 === 0 ? 'leave' : 'join'
      const nid = room.add(state, { type: 'm.room.member', stateKey: user, sender: user, content: { membership } })
      state.set(room.key('m.room.member', user), nid)
      if (i % 20 === 0)
        state = room.send(state, {
          type: 'm.room.power_levels',
          sender: creator,
          content: { ...content, kick: fork + i },
        })
    }
    return state
  })
  const input = room.input(forks)
  const events = new Map<number, number>()
  const keyOf = (nid: number): number => {
    let key = events.get(nid)
    if (key === undefined) events.set(nid, (key = input.keyOf(nid)))
    return key
  }
  const times: number[] = []
  let size = 0
  for (let run = 0; run < 15; run++) {
    const start = performance.now()
    size = resolveState({ ...input, keyOf }).size
    times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  console.log(
    `version ${id}: best ${times[0]?.toFixed(1)} ms, median ${times[7]?.toFixed(1)} ms of 15 runs (budget 25 ms)`,
  )
  expect(size).toBe(base.size)
})
