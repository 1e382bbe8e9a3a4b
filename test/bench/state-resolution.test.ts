import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { agreedChains, authDifference } from '../../src/protocol/state-resolution/auth-difference.ts'
import { buildAuthGraph } from '../../src/protocol/state-resolution/auth-graph.ts'
import { resolveState } from '../../src/protocol/state-resolution/resolve.ts'
import { splitState } from '../../src/protocol/state-resolution/split.ts'
import { largeRoom } from '../support/large-room.ts'

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
const runs = 25

/** Best and median of some runs, in ms. */
function timed(run: () => void): { best: number; median: number } {
  const times: number[] = []
  for (let i = 0; i < runs; i++) {
    const from = performance.now()
    run()
    times.push(performance.now() - from)
  }
  times.sort((a, b) => a - b)
  return { best: times[0] as number, median: times[runs >> 1] as number }
}

const shown = ({ best, median }: { best: number; median: number }) =>
  `best ${best.toFixed(1).padStart(6)} ms, median ${median.toFixed(1).padStart(6)} ms`

test('state resolution: 10,000 members, forks of 100 membership and 5 power events', { timeout: 120_000 }, () => {
  console.log(`commit ${commit}, ${runs} runs a figure, Node ${process.versions.node}, no seed: nothing is drawn`)
  for (const id of ['11', '12']) {
    const room = largeRoom(id, 32)
    for (const count of [2, 8, 32]) {
      const input = room.input(count)
      let size = 0
      const time = timed(() => (size = resolveState(input).size))
      const budget = count === 8 ? ' (budget 25 ms)' : ''
      console.log(
        `version ${id} (${room.version.stateResolution}), ${String(count).padStart(2)} forks: ${shown(time)}${budget}`,
      )
      expect(size).toBe(room.size)
      if (count === 8) expect(time.best).toBeLessThanOrEqual(25)
    }
  }
})

test('state resolution: the auth difference in a graph of 100,000 events', { timeout: 60_000 }, () => {
  // create, join rules, levels, then 1,000 people who join and leave in turn: each event names their last and the levels
  const [people, events] = [1000, 100_000]
  const edges: Float64Array[] = [Float64Array.of(), Float64Array.of(), Float64Array.of(1)]
  const last = Array.from({ length: people }, () => 2)
  let levels = 2
  while (edges.length <= events) {
    const nid = edges.length
    if (nid % 997 === 0) {
      edges.push(Float64Array.of(1, levels))
      levels = nid
    } else {
      const person = nid % people
      edges.push(Float64Array.of(1, levels, last[person] as number))
      last[person] = nid
    }
  }
  const edgesOf = (nid: number) => edges[nid] as Float64Array
  // two forks: one has the last events of all people, the other those before
  const ours = new Map(last.map((nid, person) => [person, nid]))
  const theirs = new Map(last.map((nid, person) => [person, (edges[nid] as Float64Array)[2] as number]))
  const sets = [ours, theirs]
  const split = splitState(sets)
  let found = 0
  let size = 0
  const time = timed(() => {
    const graph = buildAuthGraph([...ours.values(), ...theirs.values()], edgesOf)
    size = graph.nids.length
    found = authDifference(graph, sets, split, edgesOf).length
  })
  const graph = buildAuthGraph([...ours.values(), ...theirs.values()], edgesOf)
  const swept = timed(() => agreedChains(graph, sets, split))
  console.log(
    `auth difference of 2 forks in a graph of ${size} events, ${found} in it: ${shown(time)}, the graph included (budget 20 ms)`,
  )
  console.log(`  the graph in memory already: ${shown(swept)}`)
  expect(size).toBeGreaterThan(99_000)
  expect(time.best).toBeLessThanOrEqual(20)
})
