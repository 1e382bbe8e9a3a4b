import type { ResolutionInput } from './input.ts'

/**
 * Sorts events by the mainline ordering based on a power levels event, undefined where the state has none (room
 * version 2, "Mainline ordering"). Row ids, earliest first.
 */
export function orderByMainline(
  input: ResolutionInput,
  events: readonly number[],
  powerLevels: number | undefined,
): number[] {
  const levelsKey = input.keyNid('m.room.power_levels', '')
  const levelsNamedBy = (nid: number): number | undefined => {
    const list = input.authEdges(nid)
    for (let i = 0; i < list.length; i++) if (input.keyOf(list[i] as number) === levelsKey) return list[i]
    return undefined
  }
  const positions = new Map<number, number>()
  for (let nid = powerLevels; nid !== undefined; nid = levelsNamedBy(nid)) positions.set(nid, positions.size)

  const positionOf = (event: number): number => {
    const walked: number[] = []
    let nid = levelsNamedBy(event)
    while (nid !== undefined && !positions.has(nid)) {
      walked.push(nid)
      nid = levelsNamedBy(nid)
    }
    const position = (nid === undefined ? undefined : positions.get(nid)) ?? Infinity
    // What lies off the mainline has the position of where it meets it; the next walk stops there.
    for (const passed of walked) positions.set(passed, position)
    return position
  }
  return events
    .map((nid) => {
      const event = input.event(nid)
      return { nid, position: positionOf(nid), ts: event.originServerTs, id: event.eventId }
    })
    .sort((x, y) => {
      if (x.position !== y.position) return x.position > y.position ? -1 : 1
      if (x.ts !== y.ts) return x.ts - y.ts
      return x.id < y.id ? -1 : x.id > y.id ? 1 : 0
    })
    .map(({ nid }) => nid)
}
