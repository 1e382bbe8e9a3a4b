import type { RoomEvent } from '../event.ts'
import { checkAuth } from '../auth/check.ts'
import { AuthState } from '../auth/state.ts'
import type { ResolutionInput } from './input.ts'
import type { StateMap } from './split.ts'

/**
 * Applies each event in turn to the state if it is allowed there (room version 2, "Iterative auth checks"). The state
 * is `changes` over `base`; `changes` is written to. What the state lacks is taken from the event's own auth events,
 * unless they were rejected.
 */
export function applyAllowed(
  input: ResolutionInput,
  base: StateMap | undefined,
  changes: Map<number, number>,
  events: readonly number[],
): void {
  for (const nid of events) {
    const find = (type: string, stateKey: string): RoomEvent | undefined => {
      const key = input.keyNid(type, stateKey)
      if (key === undefined) return undefined
      const found = changes.get(key) ?? base?.get(key) ?? standIn(input, nid, key)
      return found === undefined ? undefined : input.event(found)
    }
    const event = input.event(nid)
    if (event.stateKey === undefined) continue
    if (checkAuth(event, new AuthState(input.create, find)) === undefined) changes.set(input.keyOf(nid), nid)
  }
}

function standIn(input: ResolutionInput, nid: number, key: number): number | undefined {
  const list = input.authEdges(nid)
  for (let i = 0; i < list.length; i++) {
    const authEvent = list[i] as number
    if (input.keyOf(authEvent) === key && !input.isRejected(authEvent)) return authEvent
  }
  return undefined
}
