import type { RoomEvent } from '../protocol/event.ts'

// copied at each change of the state
const mostEntries = 300

type Places = Map<string, RoomEvent | undefined>

/**
 * Events of one state group that were loaded already. A group never changes, so what is known stays true; anything may be
 * forgotten at any time.
 */
export class StateMemo {
  /** by type and state key: one text of both would have to be made for each question */
  readonly #events = new Map<string, Places>()
  #size = 0

  /** Whether the place is known, be it empty. */
  has(type: string, stateKey: string): boolean {
    return this.#events.get(type)?.has(stateKey) ?? false
  }

  get(type: string, stateKey: string): RoomEvent | undefined {
    return this.#events.get(type)?.get(stateKey)
  }

  put(type: string, stateKey: string, event: RoomEvent | undefined): void {
    if (this.#size >= mostEntries) {
      this.#events.clear()
      this.#size = 0
    }
    let places = this.#events.get(type)
    if (places === undefined) this.#events.set(type, (places = new Map()))
    if (!places.has(stateKey)) this.#size++
    places.set(stateKey, event)
  }

  /** The memo of the group that differs from this one's in these events. */
  with(changes: Iterable<readonly [type: string, stateKey: string, event: RoomEvent | undefined]>): StateMemo {
    const made = new StateMemo()
    for (const [type, places] of this.#events) made.#events.set(type, new Map(places))
    made.#size = this.#size
    for (const [type, stateKey, event] of changes) made.put(type, stateKey, event)
    return made
  }
}
