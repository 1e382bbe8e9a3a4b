import { describe, expect, test } from 'vitest'
import { stateKey, type World } from '../../oracle/event.ts'
import { literal, settled } from '../../oracle/reading.ts'
import { type ResetGraph, problemA, problemB } from '../../oracle/reset-graphs.ts'
import { resolve } from '../../oracle/resolve.ts'
import { Subject } from '../../oracle/subject.ts'

/** The event ids under a key by the oracle's two readings and by the protocol. */
function standing(version: number, graph: ResetGraph, type: string): (string | undefined)[] {
  const world: World = {
    version,
    reading: literal,
    events: new Map(graph.events.map((event) => [event.event_id, event])),
    rejected: new Set(),
    isSignedBy: () => true,
  }
  const key = stateKey(type, '')
  return [
    resolve(world, graph.states).get(key)?.event_id,
    resolve({ ...world, reading: settled }, graph.states).get(key)?.event_id,
    new Subject(world).resolve(graph.states, world.rejected).get(key),
  ]
}

describe('the state resets of MSC4297', () => {
  test.each([2, 6, 11])('version %i loses the join rules that the one who left had set (problem A)', (version) => {
    expect(standing(version, problemA(version), 'm.room.join_rules')).toEqual([undefined, undefined, undefined])
  })

  test('version 12 keeps the later join rules (problem A)', () => {
    expect(standing(12, problemA(12), 'm.room.join_rules')).toEqual(['$invite', '$invite', '$invite'])
  })

  test.each([2, 6, 11])('version %i goes back to the first power levels (problem B)', (version) => {
    expect(standing(version, problemB(version), 'm.room.power_levels')).toEqual(['$levels', '$levels', '$levels'])
  })

  test('version 12 keeps the last power levels (problem B)', () => {
    expect(standing(12, problemB(12), 'm.room.power_levels')).toEqual(['$levels3', '$levels3', '$levels3'])
  })
})
