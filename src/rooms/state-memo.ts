import type { RoomEvent } from '../protocol/event.ts'
import { stateKeyText } from '../protocol/auth/state.ts'

// copied at each change of the state
const mostEntries = 300

/** Events of one state group that were loaded already. A group never changes, so what is known stays true. */
export class StateMemo {
  readonly #events: Map<string, RoomEvent | undefined>

  constructor(events: Map<string, RoomEvent | undefined> = new Map()) {
    this.#events = events
  }

  /** Whether the place is known, be it empty. */
  has(type: string, stateKey: string): boolean {
    return this.#events.has(stateKeyText(type, stateKey))
  }

  get(type: string, stateKey: string): RoomEvent | undefined {
    return this.#events.get(stateKeyText(type, stateKey))
  }

  put(type: string, stateKey: string, event: RoomEvent | undefined): void {
    if (this.#events.size >= mostEntries) this.#events.clear()
    this.#events.set(stateKeyText(type, stateKey), event)
  }

  /** The memo of the group that differs from this one's in these events. */
  with(changes: Iterable<readonly [type: string, stateKey: string, event: RoomEvent | undefined]>): StateMemo {
    const made = new StateMemo(new Map(this.#events))
    for (const [type, stateKey, event] of changes) made.put(type, stateKey, event)
    return made
  }
}
