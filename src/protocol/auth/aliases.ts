import type { RoomEvent } from '../event.ts'
import { serverNameOf } from '../ids.ts'
import type { Refusal } from './state.ts'

/** `m.room.aliases`, authorization rule 4 of room versions 1–5. */
export function checkAliases(event: RoomEvent): Refusal {
  // 4.1
  if (event.stateKey === undefined) return 'aliases without a state key'
  // 4.2
  if (serverNameOf(event.sender) !== event.stateKey) return 'aliases of another server than the sender'
  return undefined
}
