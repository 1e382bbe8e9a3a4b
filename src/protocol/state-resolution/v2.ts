import type { Conflict } from './full-conflicted-set.ts'
import { findConflict } from './full-conflicted-set.ts'
import type { ResolutionInput } from './input.ts'
import { applyAllowed } from './iterative-checks.ts'
import { orderByMainline } from './mainline.ts'
import { orderPowerEvents } from './power-ordering.ts'
import { splitState } from './split.ts'

/**
 * State resolution of room versions 2–11, and with the changes of version 12 where the version has the flag for them
 * (specification, "Room Version 2" and "Room Version 12", "State resolution"). `conflict` where the caller has found
 * it already. The resolved state is new: the sets stay as they are.
 */
export function resolveV2(
  input: ResolutionInput,
  conflict: Conflict = findConflict(input.version, input.sets, splitState(input.sets), input.authEdges),
): Map<number, number> {
  const { unconflicted } = conflict.split
  if (conflict.full.length === 0) return new Map(unconflicted)
  const base = input.version.stateResolution === 'v2.1' ? undefined : unconflicted
  const changes = new Map<number, number>()
  // 1 and 2
  const powerEvents = orderPowerEvents(input, conflict)
  applyAllowed(input, base, changes, powerEvents)
  // 3 and 4
  const done = new Set(powerEvents)
  const remaining = conflict.full.filter((nid) => !done.has(nid))
  const levelsKey = input.keyNid('m.room.power_levels', '')
  const levels = levelsKey === undefined ? undefined : (changes.get(levelsKey) ?? base?.get(levelsKey))
  applyAllowed(input, base, changes, orderByMainline(input, remaining, levels))
  // 5
  const resolved = new Map(unconflicted)
  for (const [key, nid] of changes) if (!unconflicted.has(key)) resolved.set(key, nid)
  return resolved
}
