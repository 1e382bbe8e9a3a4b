import { createOfRoom } from './auth-events.ts'
import { type OracleEvent, type World, eventOf } from './event.ts'
import { levelsOf } from './levels.ts'

/** "Reverse topological power ordering": Kahn's algorithm, always taking the smallest event that is free. */
export function powerOrdering(world: World, events: ReadonlySet<OracleEvent>): OracleEvent[] {
  const waiting = new Set(events)
  const sorted: OracleEvent[] = []
  while (waiting.size > 0) {
    const free = [...waiting].filter((event) => !event.auth_events.some((id) => waiting.has(eventOf(world, id))))
    free.sort(
      (x, y) =>
        levelAtSending(world, y) - levelAtSending(world, x) ||
        x.origin_server_ts - y.origin_server_ts ||
        compare(x.event_id, y.event_id),
    )
    const next = free[0]
    if (next === undefined) throw new Error('a circle of auth events')
    sorted.push(next)
    waiting.delete(next)
  }
  return sorted
}

/** The sender's level "when looking at their respective `auth_event`s"; finite, so that levels may be subtracted. */
function levelAtSending(world: World, event: OracleEvent): number {
  const entries = event.auth_events.map((id) => eventOf(world, id))
  const create = entries.find((entry) => entry.type === 'm.room.create')
  const power = entries.find((entry) => entry.type === 'm.room.power_levels' && entry.state_key === '')
  const implied = world.version >= 12 ? createOfRoom(world, event) : create
  return Math.min(levelsOf(world.version, implied, power).userLevel(event.sender), Number.MAX_SAFE_INTEGER)
}

/** The `m.room.power_levels` event in an event's `auth_events`. */
function powerBehind(world: World, event: OracleEvent): OracleEvent | undefined {
  const entries = event.auth_events.map((id) => eventOf(world, id))
  return entries.find((entry) => entry.type === 'm.room.power_levels' && entry.state_key === '')
}

/** "Mainline ordering based on P". */
export function mainlineOrdering(
  world: World,
  power: OracleEvent | undefined,
  events: Iterable<OracleEvent>,
): OracleEvent[] {
  const mainline: OracleEvent[] = []
  for (let at = power; at !== undefined; at = powerBehind(world, at)) mainline.push(at)
  function position(event: OracleEvent): number {
    for (let at = powerBehind(world, event); at !== undefined; at = powerBehind(world, at)) {
      if (mainline.includes(at)) return mainline.indexOf(at)
    }
    return Number.MAX_SAFE_INTEGER
  }
  return [...events].sort(
    (x, y) => position(y) - position(x) || x.origin_server_ts - y.origin_server_ts || compare(x.event_id, y.event_id),
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
