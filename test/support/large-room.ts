import type { ResolutionInput } from '../../src/protocol/state-resolution/input.ts'
import { creator } from '../unit/protocol/room-events.ts'
import { TestRoom } from '../unit/protocol/state-resolution/test-room.ts'

/** A room of 10,000 members that fell into forks, each of 100 joins and leaves and 5 changes of the power levels. */
export interface LargeRoom {
  readonly version: TestRoom['version']
  /** How many entries the state before the forks has; the resolved one has as many. */
  readonly size: number
  /** The resolution of the first so many forks. */
  input(forks: number): ResolutionInput
}

/** Builds the room; `versionId` is that of a room version, `count` how many forks it gets. */
export function largeRoom(versionId: string, count: number): LargeRoom {
  const room = new TestRoom(versionId)
  const base = room.start('public')
  for (let i = 0; i < 10_000; i++) {
    const user = `@user${i}:a.test`
    base.set(room.key('m.room.member', user), room.add(base, memberEvent(user, 'join')))
  }
  const { content } = room.event(room.at(base, 'm.room.power_levels') ?? 0)
  const forks = Array.from({ length: count }, (_, fork) => {
    let state = new Map(base)
    for (let i = 0; i < 100; i++) {
      const user = `@user${fork * 50 + i}:a.test`
      const nid = room.add(state, memberEvent(user, i % 2 === 0 ? 'leave' : 'join'))
      state.set(room.key('m.room.member', user), nid)
      if (i % 20 !== 0) continue
      const levels = { ...content, kick: fork + i }
      state = room.send(state, { type: 'm.room.power_levels', sender: creator, content: levels })
    }
    return state
  })
  return { version: room.version, size: base.size, input: (some) => withKnownKeys(room.input(forks.slice(0, some))) }
}

function memberEvent(user: string, membership: string) {
  return { type: 'm.room.member', stateKey: user, sender: user, content: { membership } }
}

/** The store knows an event's key without building a text: so does this from the second time on. */
function withKnownKeys(input: ResolutionInput): ResolutionInput {
  const known = new Map<number, number>()
  const keyOf = (nid: number): number => {
    let key = known.get(nid)
    if (key === undefined) known.set(nid, (key = input.keyOf(nid)))
    return key
  }
  return { ...input, keyOf }
}
