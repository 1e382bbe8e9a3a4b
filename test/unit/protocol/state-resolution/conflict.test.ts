import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { roomVersions } from '../../../../src/protocol/room-version.ts'
import { buildAuthGraph } from '../../../../src/protocol/state-resolution/auth-graph.ts'
import { findConflict } from '../../../../src/protocol/state-resolution/full-conflicted-set.ts'
import { conflictedKeys, splitState } from '../../../../src/protocol/state-resolution/split.ts'
import { alice, bob, creator, mod, versionOf } from '../room-events.ts'
import { TestRoom } from './test-room.ts'

/** A graph of so many events whose edges point down, and sets of state over it. */
const graphs = fc.integer({ min: 2, max: 24 }).chain((size) =>
  fc.record({
    edges: fc.tuple(
      ...Array.from({ length: size }, (_, i) =>
        i === 0 ? fc.constant([]) : fc.uniqueArray(fc.integer({ min: 0, max: i - 1 }), { maxLength: 4 }),
      ),
    ),
    sets: fc.array(
      fc.uniqueArray(fc.integer({ min: 0, max: size - 1 }), { selector: (nid) => nid % 7, maxLength: 7 }),
      { minLength: 1, maxLength: 40 },
    ),
  }),
)

/** The definitions of the specification; a set's own events count as part of its auth chain. */
function naiveFullConflictedSet(
  edges: readonly (readonly number[])[],
  sets: readonly ReadonlyMap<number, number>[],
  v12: boolean,
) {
  const chain = (nid: number): Set<number> => {
    const found = new Set<number>(edges[nid])
    for (const each of found) for (const next of edges[each] ?? []) found.add(next)
    return found
  }
  const keys = new Set(sets.flatMap((set) => [...set.keys()]))
  const conflicted = new Set<number>()
  for (const key of keys) {
    const values = sets.map((set) => set.get(key))
    if (new Set(values).size > 1) for (const value of values) if (value !== undefined) conflicted.add(value)
  }
  const chains = sets.map((set) => new Set([...set.values()].flatMap((nid) => [nid, ...chain(nid)])))
  const difference = edges
    .map((_, nid) => nid)
    .filter((nid) => {
      const count = chains.filter((each) => each.has(nid)).length
      return count > 0 && count < chains.length
    })
  const between = edges
    .map((_, nid) => nid)
    .filter((nid) => {
      const fromAbove = [...conflicted].some((each) => each === nid || chain(each).has(nid))
      const toBelow = [...conflicted].some((each) => each === nid || chain(nid).has(each))
      return fromAbove && toBelow
    })
  return [...new Set([...conflicted, ...difference, ...(v12 ? between : [])])].sort((a, b) => a - b)
}

describe.each(['11', '12'])('the full conflicted set, version %s', (id) => {
  test('is what the definitions say', () => {
    fc.assert(
      fc.property(graphs, ({ edges, sets }) => {
        const maps = sets.map((set) => new Map(set.map((nid) => [nid % 7, nid])))
        const { full } = findConflict(versionOf(id), maps, splitState(maps), (nid) => edges[nid] ?? [])
        expect(full).toEqual(naiveFullConflictedSet(edges, maps, id === '12'))
      }),
      { numRuns: 1000 },
    )
  })
})

test('splitting: what all agree on, and the rest with every event', () => {
  const split = splitState([
    new Map([
      [1, 10],
      [2, 20],
      [3, 30],
    ]),
    new Map([
      [1, 10],
      [2, 21],
    ]),
    new Map([
      [1, 10],
      [2, 20],
      [4, 40],
    ]),
  ])
  expect(split.unconflicted).toEqual(new Map([[1, 10]]))
  expect(split.conflicted).toEqual(
    new Map([
      [2, [20, 21]],
      [3, [30]],
      [4, [40]],
    ]),
  )
  expect(conflictedKeys([new Map([[1, 10]]), new Map([[1, 11]])])).toEqual([1])
})

test('an auth edge that does not descend is refused', () => {
  expect(() => buildAuthGraph([1], (nid) => (nid === 1 ? [2] : []))).toThrow(RangeError)
})

/** Forks of a room made of random steps by its members, allowed or not. */
const steps = fc.array(
  fc.record({
    fork: fc.nat(2),
    sender: fc.constantFrom(creator, mod, alice, bob),
    kind: fc.constantFrom('join', 'leave', 'ban', 'topic', 'power', 'rules'),
    target: fc.constantFrom(creator, mod, alice, bob),
    ts: fc.nat(50),
    level: fc.constantFrom(0, 50, 100),
  }),
  { maxLength: 25 },
)

describe.each([...roomVersions.keys()])('resolution, version %s', (id) => {
  test('does not depend on the order of the sets and gives each set itself', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const room = new TestRoom(id)
        let base = room.start('public', { users_default: 50 })
        for (const user of [mod, alice, bob]) base = room.member(base, user, 'join')
        const forks = [base, base, base]
        for (const { fork, sender, kind, target, ts, level } of list) {
          const state = forks[fork] ?? base
          const privileged = room.version.privilegedCreators ? {} : { [creator]: 100 }
          const draft =
            kind === 'topic'
              ? { type: 'm.room.topic', content: { topic: `${ts}` } }
              : kind === 'power'
                ? {
                    type: 'm.room.power_levels',
                    content: { users: { ...privileged, [mod]: level }, users_default: 50 },
                  }
                : kind === 'rules'
                  ? { type: 'm.room.join_rules', content: { join_rule: level > 0 ? 'public' : 'invite' } }
                  : {
                      type: 'm.room.member',
                      stateKey: kind === 'join' ? sender : target,
                      content: { membership: kind },
                    }
          forks[fork] = room.send(state, { ...draft, sender, ts, depth: 10 + ts })
        }
        const [a = base, b = base, c = base] = forks
        const resolved = room.resolve(a, b, c)
        expect(room.resolve(c, a, b)).toEqual(resolved)
        expect(room.resolve(b, b, a, c)).toEqual(resolved)
        expect(room.resolve(resolved)).toEqual(resolved)
        expect(room.resolve(a)).toEqual(a)
        for (const [key, nid] of room.resolve(a, b))
          expect([a.get(key), b.get(key), ...known(room, a, b)]).toContain(nid)
      }),
      { numRuns: 60 },
    )
  })
})

function known(room: TestRoom, ...sets: ReadonlyMap<number, number>[]): readonly number[] {
  return findConflict(room.version, sets, splitState(sets), room.input(sets).authEdges).full
}
