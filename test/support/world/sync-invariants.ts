import type { Person } from './person.ts'
import type { Copy } from './rows.ts'
import { timelineOf } from './rows.ts'
import { roomsOf, syncPath } from './tracker.ts'
import type { Mark, Tracker } from './tracker.ts'
import type { Wrongs } from './invariants.ts'

const part = encodeURIComponent

/** What a client gets that goes on from a token with short timelines, filling each gap by way of `/messages`. */
async function deliveredSince(person: Person, mark: Mark, seen: ReadonlyMap<string, ReadonlySet<string>>) {
  const got = new Map<string, string[]>()
  let since = mark.token
  for (let left = 20; left > 0; left--) {
    const body = await person.ok('GET', syncPath(since, 0, 2))
    const rooms = roomsOf(body)
    for (const [room, { timeline }] of rooms) {
      const list = got.get(room) ?? []
      got.set(room, list)
      const known = new Set([...(seen.get(room) ?? []), ...list])
      const gap: string[] = []
      let from = timeline.limited === true ? timeline.prev_batch : undefined
      while (from !== undefined) {
        const page = await person.ok('GET', `/rooms/${part(room)}/messages?dir=b&limit=30&from=${part(from)}`)
        from = page.end as string | undefined
        for (const { event_id: id } of page.chunk) {
          if (known.has(id)) {
            from = undefined
            break
          }
          gap.unshift(id)
        }
      }
      list.push(...gap, ...timeline.events.map(({ event_id: id }) => id))
    }
    if (body.next_batch === since || rooms.length === 0) break
    since = body.next_batch as string
  }
  return got
}

/** From any earlier token on, a user gets each event of a room exactly once, and what was seen before not again. */
export async function checkSync(
  tracker: Tracker,
  marks: readonly Mark[],
  copies: ReadonlyMap<string, Copy>,
  steady: (person: Person, room: string) => boolean,
  wrongs: Wrongs,
): Promise<void> {
  const { person } = tracker
  const who = (room: string) => `${person.id} in ${room}`
  for (const { room, eventId } of tracker.twice)
    if (steady(person, room)) wrongs.push(`${who(room)}: ${eventId} came twice by /sync`)
  for (const mark of marks) {
    const seen = new Map(
      [...mark.seen].map(([room, count]) => [room, new Set((tracker.seen.get(room) ?? []).slice(0, count))]),
    )
    const got = await deliveredSince(person, mark, seen)
    for (const [room, copy] of copies) {
      if (!steady(person, room) || tracker.broken.has(room)) continue
      const before = seen.get(room) ?? new Set<string>()
      const after = got.get(room) ?? []
      const all = new Set(after)
      if (all.size !== after.length) wrongs.push(`${who(room)}: an event came twice after ${mark.token}`)
      for (const id of after) if (before.has(id)) wrongs.push(`${who(room)}: ${id} came again after ${mark.token}`)
      for (const id of timelineOf(copy))
        if (!before.has(id) && !all.has(id))
          wrongs.push(`${who(room)}: ${id} never came, before ${mark.token} or after`)
    }
  }
}

/**
 * A client that applied what `/sync` told it has the state that its server has. Nothing in `/sync` can say that a place is
 * empty again, as resolution may leave it.
 */
export function checkSyncedState(
  tracker: Tracker,
  copies: ReadonlyMap<string, Copy>,
  steady: (person: Person, room: string) => boolean,
  wrongs: Wrongs,
): void {
  const { person, state } = tracker
  for (const [room, copy] of copies) {
    if (!steady(person, room)) continue
    const synced = state.get(room) ?? new Map<string, string>()
    for (const place of copy.state.keys())
      if (synced.get(place) !== copy.state.get(place))
        wrongs.push(
          `${person.id} in ${room}: /sync says ${place} is ${synced.get(place)}, it is ${copy.state.get(place)}`,
        )
  }
}
