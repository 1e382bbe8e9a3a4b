import { type OracleEvent, type State, type World, has, isObject, own, stateKey } from './event.ts'
import { isUserId } from './identifiers.ts'
import { creatorsOf, entriesOf, levelsIn, readLevel } from './levels.ts'
import { type Verdict, allow, reject } from './verdict.ts'

const scalars = ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite']

/** The rule of `m.room.power_levels`, rule 10 (in versions 6 to 11 rule 9). */
export function judgePowerLevels(world: World, event: OracleEvent, state: State): Verdict {
  const { version } = world
  const { content } = event
  if (version >= 10) {
    for (const name of scalars) {
      if (has(content, name) && !Number.isInteger(own(content, name))) return reject('power_levels: no integer')
    }
    for (const name of ['events', 'notifications']) {
      if (!has(content, name)) continue
      const object = own(content, name)
      if (!isObject(object)) return reject('power_levels: no object')
      if (!Object.values(object).every((value) => Number.isInteger(value))) return reject('power_levels: no integers')
    }
  }
  // a content without `users` has no such property that could be something else than an object
  if (has(content, 'users')) {
    const users = own(content, 'users')
    if (!isObject(users)) return reject('power_levels: users is no object')
    if (!Object.keys(users).every((user) => isUserId(user))) return reject('power_levels: users, no user id')
    if (!Object.values(users).every((value) => readLevel(version, value) !== undefined)) {
      return reject('power_levels: users, no level')
    }
  }
  if (version >= 12) {
    const creators = creatorsOf(version, state.get(stateKey('m.room.create', '')))
    if (creators.some((creator) => has(own(content, 'users'), creator))) return reject('power_levels: creator in users')
  }
  const previous = state.get(stateKey('m.room.power_levels', ''))
  if (previous === undefined) return allow('power_levels: first')

  if (world.reading.refusesUnreadableLevels && !isReadable(version, content)) return reject('power_levels: unreadable')

  const power = levelsIn(version, state).userLevel(event.sender)
  for (const name of scalars) {
    const before = readLevel(version, own(previous.content, name))
    const after = readLevel(version, own(content, name))
    if (before === after) continue
    if (before !== undefined && before > power) return reject('power_levels: current level')
    if (after !== undefined && after > power) return reject('power_levels: new level')
  }
  for (const name of version >= 6 ? ['events', 'notifications'] : ['events']) {
    const before = entriesOf(version, previous.content, name)
    const after = entriesOf(version, content, name)
    for (const [type, level] of before) {
      if (after.get(type) !== level && level > power) return reject(`power_levels: current level of ${name}`)
    }
    for (const [type, level] of after) {
      if (before.get(type) !== level && level > power) return reject(`power_levels: new level of ${name}`)
    }
  }
  const before = entriesOf(version, previous.content, 'users')
  const after = entriesOf(version, content, 'users')
  for (const [user, level] of before) {
    if (user === event.sender) continue
    if (after.get(user) !== level && level >= power) return reject('power_levels: current level of a user')
  }
  for (const [user, level] of after) {
    if (before.get(user) !== level && level > power) return reject('power_levels: new level of a user')
  }
  return allow('power_levels')
}

/** Whether all that the rules compare is a level. */
function isReadable(version: number, content: unknown): boolean {
  const plain = scalars.filter((name) => has(content, name)).map((name) => own(content, name))
  const objects = ['events', ...(version >= 6 ? ['notifications'] : [])].filter((name) => has(content, name))
  if (!objects.every((name) => isObject(own(content, name)))) return false
  const listed = objects.flatMap((name) => Object.values(own(content, name) ?? {}))
  return [...plain, ...listed].every((value) => readLevel(version, value) !== undefined)
}
