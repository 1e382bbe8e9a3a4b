import type { RoomEvent } from '../event.ts'
import { powerLevelsOf } from '../power-levels.ts'
import type { Conflict } from './full-conflicted-set.ts'
import { sweepDown } from './auth-graph.ts'
import { Heap } from './heap.ts'
import type { ResolutionInput } from './input.ts'

/** Is it a power event: one that might take away what somebody may do (room version 2, "Power events")? */
export function isPowerEvent(event: RoomEvent): boolean {
  const { type, stateKey } = event
  if (stateKey === undefined) return false
  if (type === 'm.room.power_levels' || type === 'm.room.join_rules') return true
  if (type !== 'm.room.member') return false
  const { membership } = event.content
  return (membership === 'leave' || membership === 'ban') && event.sender !== stateKey
}

/**
 * The power events of the full conflicted set, with those events of their auth chains that are in it too, in reverse
 * topological power ordering (room version 2, "Algorithm", step 1). Row ids, earliest first.
 */
export function orderPowerEvents(input: ResolutionInput, conflict: Conflict): number[] {
  const { graph, full } = conflict
  const { nids, starts, targets, indexOf } = graph
  const isChosen = new Int32Array(nids.length)
  for (const nid of full) if (isPowerEvent(input.event(nid))) isChosen[indexOf.get(nid) as number] = 1
  sweepDown(graph, isChosen)
  const reached = isChosen.slice()
  isChosen.fill(0)
  for (const nid of full) {
    const index = indexOf.get(nid) as number
    isChosen[index] = reached[index] as number
  }

  // Who names each event, and how many events each waits for. The graph is that of the events to be ordered: an event
  // that is not among them puts none before another.
  const waitsFor = new Int32Array(nids.length)
  const namedBy = new Map<number, number[]>()
  for (let i = 0; i < nids.length; i++) {
    if (isChosen[i] === 0) continue
    for (let j = starts[i] as number; j < (starts[i + 1] as number); j++) {
      const target = targets[j] as number
      if (isChosen[target] === 0) continue
      waitsFor[i] = (waitsFor[i] as number) + 1
      const list = namedBy.get(target)
      if (list === undefined) namedBy.set(target, [i])
      else list.push(i)
    }
  }
  const power = powerOfSender(input)
  const ready = new Heap<Candidate>(comesBefore)
  const admit = (index: number): void => {
    const nid = nids[index] as number
    const event = input.event(nid)
    ready.push({ index, nid, power: power(nid), ts: event.originServerTs, id: event.eventId })
  }
  for (let i = 0; i < nids.length; i++) if (isChosen[i] === 1 && waitsFor[i] === 0) admit(i)
  const order: number[] = []
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    order.push(next.nid)
    for (const waiting of namedBy.get(next.index) ?? []) {
      const left = (waitsFor[waiting] as number) - 1
      waitsFor[waiting] = left
      if (left === 0) admit(waiting)
    }
  }
  return order
}

interface Candidate {
  readonly index: number
  readonly nid: number
  readonly power: number
  readonly ts: number
  readonly id: string
}

function comesBefore(x: Candidate, y: Candidate): boolean {
  if (x.power !== y.power) return x.power > y.power
  if (x.ts !== y.ts) return x.ts < y.ts
  return x.id < y.id
}

/** The level of an event's sender by the power levels that the event itself names. */
function powerOfSender(input: ResolutionInput): (nid: number) => number {
  const levelsKey = input.keyNid('m.room.power_levels', '')
  return (nid) => {
    const list = input.authEdges(nid)
    let levels: RoomEvent | undefined
    for (let i = 0; i < list.length && levels === undefined; i++)
      if (input.keyOf(list[i] as number) === levelsKey) levels = input.event(list[i] as number)
    return powerLevelsOf(input.create, levels).levelOf(input.event(nid).sender)
  }
}
