import fc from 'fast-check'
import { authKeys } from './auth-events.ts'
import { authDifference, conflictedSubgraph, split } from './chains.ts'
import type { OracleEvent, State, World } from './event.ts'
import { RandomRoom, type Witness } from './random-room.ts'
import { literal } from './reading.ts'
import { resolve } from './resolve.ts'
import { Subject } from './subject.ts'
import type { Tally } from './tally.ts'
import type { Verdict } from './verdict.ts'

/**
 * Grows random rooms of one version and holds the protocol's verdict on each event, and its resolution of each set of
 * states, against the oracle's. Throws on the first difference, shrunk to few steps, with the seed that replays it.
 */
export function prove(version: number, cases: number, seed: number, tally: Tally): void {
  const number = fc.noBias(fc.integer({ min: 0, max: 0xffffffff }))
  const property = fc.property(number, fc.array(number, { minLength: 4, maxLength: 10 }), (start, steps) => {
    const comparison = new Comparison(tally)
    const room = new RandomRoom(version, start, comparison)
    for (const step of steps) room.step(step)
    for (const step of steps.slice(0, 2)) room.resolveAnything(step)
  })
  fc.assert(property, { numRuns: cases, seed })
}

/** Throws where the protocol judges otherwise than the oracle. */
class Comparison implements Witness {
  readonly #tally: Tally
  #subject: Subject | undefined

  constructor(tally: Tally) {
    this.#tally = tally
  }

  #of(world: World): Subject {
    return (this.#subject ??= new Subject(world))
  }

  onAuthEvents(world: World, event: OracleEvent, verdict: Verdict | undefined): void {
    const subject = this.#of(world)
    const expected = authKeys(world.version, event)
    const selected = subject.requiredKeys(event)
    if (expected.size !== selected.size || ![...expected].every((key) => selected.has(key))) {
      throw new Error(
        `other auth events are selected: ${show([...expected])} against ${show([...selected])}\n${show(event)}`,
      )
    }
    if (verdict !== undefined) this.#tally.count(verdict.rule)
    const refusal = subject.refusalOfAuthEvents(event)
    if ((refusal === undefined) === (verdict === undefined)) return
    throw new Error(
      `auth events: the oracle says "${verdict?.rule ?? 'allowed'}", the protocol "${refusal}"\n${show(event)}`,
    )
  }

  onState(world: World, event: OracleEvent, state: State, verdict: Verdict): void {
    this.#tally.count(verdict.rule)
    if (verdict.allowed) this.#tally.allowed++
    else this.#tally.refused++
    const refusal = this.#of(world).refusalInState(event, state)
    if ((refusal === undefined) === verdict.allowed) return
    const where = show([...state.values()])
    throw new Error(
      `the oracle says "${verdict.rule}", the protocol "${refusal ?? 'allowed'}"\n${show(event)}\nin ${where}`,
    )
  }

  onResolution(world: World, states: readonly State[], resolved: State): void {
    const found = this.#of(world).resolve(states, world.rejected)
    this.#tallyResolution(world, states, resolved)
    const expected = new Map([...resolved].map(([key, event]) => [key, event.event_id]))
    if (isSame(expected, found)) return
    const events = show([...world.events.values()])
    const sets = states.map((state) => show([...state.values()].map((event) => event.event_id)))
    throw new Error(
      `resolved otherwise: ${show([...expected])} against ${show([...found])}\nof\n${sets.join('\n')}\namong ${events}`,
    )
  }

  #tallyResolution(world: World, states: readonly State[], resolved: State): void {
    const { conflicted } = split(states)
    if (conflicted.size === 0) return
    this.#tally.count('resolution: conflict')
    if (world.version > 1) {
      const difference = authDifference(world, states)
      if ([...difference].some((event) => !conflicted.has(event))) this.#tally.count('resolution: auth difference')
      if (world.version >= 12) {
        const more = [...conflictedSubgraph(world, conflicted)]
        if (more.some((event) => !conflicted.has(event) && !difference.has(event)))
          this.#tally.count('resolution: subgraph')
      }
    }
    const keys = new Set(states.flatMap((state) => [...state.keys()]))
    if (resolved.size < keys.size) this.#tally.count('resolution: nothing left of a key')
    // The two other readings cost as much as all the rest: a sample of them tells enough.
    if (this.#tally.of('resolution: conflict') % 10 !== 1) return
    const byLetter = resolve({ ...world, reading: literal }, states)
    if (!isSame(byLetter, resolved)) this.#tally.count('resolution: another by the letter')
    if (world.version < 2) return
    const own = resolve({ ...world, reading: { ...world.reading, chainsHoldOwnEvents: false } }, states)
    if (!isSame(own, resolved)) this.#tally.count('resolution: another without own events in chains')
  }
}

function isSame<V>(one: ReadonlyMap<string, V>, other: ReadonlyMap<string, V>): boolean {
  return one.size === other.size && [...one].every(([key, value]) => other.get(key) === value)
}

function show(value: unknown): string {
  return JSON.stringify(value, undefined, 1)
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll('}, { "type"', '},\n{ "type"')
}
