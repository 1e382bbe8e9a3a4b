import { canonicalEventJson } from '../protocol/canonical-json.ts'
import type { Json } from '../protocol/json-types.ts'
import type { StrippedState } from '../protocol/stripped-state.ts'
import { parseStrippedState, strippedStateTypes } from '../protocol/stripped-state.ts'

const shown: ReadonlySet<string> = new Set(strippedStateTypes)
/** The most events that are looked at, and the largest that is kept, in characters. */
const mostEvents = 100
const mostCharacters = 8192

/** What another server told of a room with an invite or in answer to a knock, as clients may see it: known kinds, each once. */
export function readStripped(received: readonly Json[]): StrippedState[] {
  const found = new Map<string, StrippedState>()
  for (const entry of received.slice(0, mostEvents)) {
    const event = parseStrippedState(entry)
    if (event === undefined || event.state_key !== '' || !shown.has(event.type)) continue
    if (isModest(event)) found.set(event.type, event)
  }
  return [...found.values()]
}

/** Neither too long nor nested too deeply for whoever writes it out again. */
function isModest(event: StrippedState): boolean {
  try {
    return canonicalEventJson({ ...event }, false).length <= mostCharacters
  } catch {
    return false
  }
}
