import type { Person } from './person.ts'

const part = encodeURIComponent

/** A token of `/sync`, and how much of each room its user had seen when it came. */
export interface Mark {
  readonly token: string
  readonly seen: ReadonlyMap<string, number>
}

interface Event {
  readonly event_id: string
  readonly type: string
  readonly state_key?: string
}

/** A client that syncs again and again: what it has seen of each room, in order, and the state that it believes in. */
export class Tracker {
  readonly person: Person
  readonly seen = new Map<string, string[]>()
  readonly state = new Map<string, Map<string, string>>()
  readonly marks: Mark[] = []
  /** why a room cannot be compared any more: a gap that was not filled */
  readonly broken = new Map<string, string>()
  /** what must not be: an event that came twice */
  readonly twice: { room: string; eventId: string }[] = []
  #isSyncing = false

  constructor(person: Person) {
    this.person = person
  }

  /** Takes the answer of an initial sync; `timeline` are the rooms as they are at that moment. */
  begin(token: string, timeline: ReadonlyMap<string, readonly string[]>, body: unknown): void {
    for (const [room, ids] of timeline) this.seen.set(room, [...ids])
    this.#applyState(body)
    this.#mark(token)
  }

  get newest(): Mark {
    return this.marks[this.marks.length - 1] as Mark
  }

  /** One sync from the newest token; nothing happens while one is under way or when no answer comes. */
  async step(timeoutMs: number): Promise<void> {
    if (this.#isSyncing) return
    this.#isSyncing = true
    try {
      const { token: since } = this.newest
      const answer = await this.person.call('GET', syncPath(since, timeoutMs, 100))
      if (answer?.status !== 200) return
      for (const [room, { timeline }] of roomsOf(answer.body)) {
        if (timeline.limited === true) this.broken.set(room, 'a gap')
        this.#see(room, timeline.events)
      }
      this.#applyState(answer.body)
      this.#mark(answer.body.next_batch)
    } finally {
      this.#isSyncing = false
    }
  }

  #see(room: string, events: readonly Event[]): void {
    const list = this.seen.get(room) ?? []
    this.seen.set(room, list)
    for (const { event_id: eventId } of events) {
      if (list.includes(eventId)) this.twice.push({ room, eventId })
      else list.push(eventId)
    }
  }

  #applyState(body: unknown): void {
    for (const [room, { state_after: after }] of roomsOf(body)) {
      const map = this.state.get(room) ?? new Map<string, string>()
      this.state.set(room, map)
      for (const event of after?.events ?? []) map.set(`${event.type} ${event.state_key}`, event.event_id)
    }
  }

  #mark(token: string): void {
    this.marks.push({ token, seen: new Map([...this.seen].map(([room, { length }]) => [room, length])) })
  }
}

interface SyncedRoom {
  readonly timeline: { readonly events: readonly Event[]; readonly limited?: boolean; readonly prev_batch?: string }
  readonly state_after?: { readonly events: readonly Event[] }
}

/** The rooms of an answer that the user is in, or was. */
export function roomsOf(body: unknown): [string, SyncedRoom][] {
  const { rooms } = body as { rooms?: Partial<Record<'join' | 'leave', Record<string, SyncedRoom>>> }
  return [...Object.entries(rooms?.join ?? {}), ...Object.entries(rooms?.leave ?? {})]
}

/** A sync with timelines of so many events. */
export function syncPath(since: string | undefined, timeoutMs: number, limit: number): string {
  const filter = part(JSON.stringify({ room: { timeline: { limit } } }))
  const after = since === undefined ? '' : `&since=${part(since)}`
  return `/sync?timeout=${timeoutMs}&filter=${filter}&use_state_after=true${after}`
}
