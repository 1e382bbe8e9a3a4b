import type { RoomEvent } from '../event.ts'
import { parseUserId } from '../ids.ts'
import type { JsonObject } from '../json-types.ts'
import type { LevelName } from '../power-levels.ts'
import { creatorsOf, defaultLevels, parseLevel } from '../power-levels.ts'
import type { RoomVersion } from '../room-version.ts'
import { objectOrUndefined } from './required-state.ts'
import type { AuthState, Refusal } from './state.ts'

/**
 * `m.room.power_levels`, authorization rule 10 (9 in versions 6–11). Numbers in comments are those of version 12,
 * in brackets those of version 1.
 */
export function checkPowerLevels(event: RoomEvent, state: AuthState): Refusal {
  const { version, content } = event
  const malformed = checkShape(version, content)
  if (malformed !== undefined) return malformed
  // 10.4, from version 12
  if (version.privilegedCreators) {
    const users = objectOrUndefined(content.users) ?? {}
    for (const creator of creatorsOf(state.create)) if (Object.hasOwn(users, creator)) return 'users lists a creator'
  }
  // 10.5 (10.2)
  const current = state.get('m.room.power_levels', '')?.content
  if (current === undefined) return undefined
  return checkChanges(event, current, state.powerLevels.levelOf(event.sender))
}

function checkShape(version: RoomVersion, content: JsonObject): Refusal {
  if (version.integerPowerLevels) {
    // 10.1, from version 10
    for (const name of Object.keys(defaultLevels))
      if (Object.hasOwn(content, name) && parseLevel(version, content[name]) === undefined)
        return `${name} is not an integer`
    // 10.2, from version 10
    for (const name of ['events', 'notifications'])
      if (Object.hasOwn(content, name) && !isObjectOfLevels(version, content, name))
        return `${name} is not an object of integers`
  }
  // 10.3 (10.1)
  if (!Object.hasOwn(content, 'users')) return undefined
  if (!isObjectOfLevels(version, content, 'users')) return 'users is not an object of integers'
  return Object.keys(objectOrUndefined(content.users) ?? {}).every((id) => parseUserId(id) !== undefined)
    ? undefined
    : 'users has a key that is not a user id'
}

function isObjectOfLevels(version: RoomVersion, content: JsonObject, name: string): boolean {
  const levels = objectOrUndefined(content[name])
  return levels !== undefined && Object.values(levels).every((level) => parseLevel(version, level) !== undefined)
}

function checkChanges(event: RoomEvent, current: JsonObject, power: number): Refusal {
  const { version, content, sender } = event
  // 10.6 (10.3)
  for (const name of Object.keys(defaultLevels) as LevelName[]) {
    const refusal = checkChange(version, name, current, content, power)
    if (refusal !== undefined) return refusal
  }
  // 10.7 and 10.8 (10.4 and 10.5), `notifications` from version 6
  for (const name of version.checksNotificationLevels ? ['events', 'notifications'] : ['events']) {
    const refusal = checkEntries(version, name, current, content, (key, before, after) =>
      checkChange(version, key, before, after, power),
    )
    if (refusal !== undefined) return refusal
  }
  return checkEntries(version, 'users', current, content, (user, before, after) => {
    const [from, to] = levelsOf(version, user, before, after)
    if (from === to) return undefined
    // 10.9 (10.6)
    if (from !== undefined && user !== sender && from >= power) return `may not change the level of ${user}`
    // 10.10 (10.7)
    return to !== undefined && to > power ? `may not give ${user} a level above the sender's` : undefined
  })
}

type CheckEntry = (key: string, before: JsonObject, after: JsonObject) => Refusal

function checkEntries(
  version: RoomVersion,
  name: string,
  current: JsonObject,
  content: JsonObject,
  check: CheckEntry,
): Refusal {
  const before = objectOrUndefined(current[name]) ?? {}
  const after = objectOrUndefined(content[name]) ?? {}
  // NOTSPEC: before version 10 no numbered rule asks for the shape, but what is no level cannot be compared either.
  if (Object.hasOwn(content, name) && !isObjectOfLevels(version, content, name))
    return `${name} is not an object of levels`
  for (const key of Object.keys(before)) {
    const refusal = check(key, before, after)
    if (refusal !== undefined) return refusal
  }
  for (const key of Object.keys(after)) {
    const refusal = Object.hasOwn(before, key) ? undefined : check(key, before, after)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function checkChange(version: RoomVersion, key: string, before: JsonObject, after: JsonObject, power: number): Refusal {
  const [from, to] = levelsOf(version, key, before, after)
  if (Object.hasOwn(after, key) && to === undefined) return `${key} is not a level`
  if (from === to) return undefined
  if (from !== undefined && from > power) return `may not change ${key}, which is above the sender's level`
  return to !== undefined && to > power ? `may not set ${key} above the sender's level` : undefined
}

function levelsOf(
  version: RoomVersion,
  key: string,
  before: JsonObject,
  after: JsonObject,
): [number | undefined, number | undefined] {
  return [
    Object.hasOwn(before, key) ? parseLevel(version, before[key]) : undefined,
    Object.hasOwn(after, key) ? parseLevel(version, after[key]) : undefined,
  ]
}
