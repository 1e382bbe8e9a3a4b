import type { Dice } from './dice.ts'
import { type Fields, isObject, own } from './event.ts'

const numbers = [0, 0, 10, 25, 50, 50, 75, 100, 100, 150, -5]
const unreadable = ['', 'ten', '5.5', '- 5', '1e2', null, true, {}, [50]]
const scalars = ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite']
const types = ['m.room.name', 'm.room.power_levels', 'm.room.redaction', 'm.room.message', 'x.custom', 'constructor']

/** A level as the version may write it, seldom one that is none. */
function randomLevel(version: number, dice: Dice): unknown {
  const level = dice.of(numbers)
  const spelled = version <= 9 || dice.chance(3)
  if (spelled && dice.chance(25))
    return dice.of([`${level}`, ` ${level} `, `00${Math.abs(level)}`, `+${Math.abs(level)}`])
  if (dice.chance(version <= 5 ? 8 : 1)) return level + dice.of([0.25, 0.5, 0.999])
  return dice.chance(2) ? dice.of(unreadable) : level
}

/** Power levels made from the present ones by a few edits, or from nothing; some are malformed. */
export function randomLevels(
  version: number,
  dice: Dice,
  users: readonly string[],
  present: Fields | undefined,
): Fields {
  const content: Record<string, unknown> = { ...(present ?? { users: { [users[0] ?? '']: 100 } }) }
  if (present === undefined && version >= 12) content['users'] = {}
  for (let edits = 1 + dice.roll(present === undefined ? 5 : 2); edits > 0; edits--) edit(version, dice, users, content)
  if (dice.chance(5)) spoil(dice, content)
  return content
}

function edit(version: number, dice: Dice, users: readonly string[], content: Record<string, unknown>): void {
  const kind = dice.roll(12)
  if (kind < 5) change(content, 'users', dice.of(users), dice.chance(12) ? undefined : randomLevel(version, dice))
  else if (kind < 7) change(content, 'events', dice.of(types), dice.chance(15) ? undefined : randomLevel(version, dice))
  else if (kind < 9) change(content, 'notifications', 'room', dice.chance(20) ? undefined : randomLevel(version, dice))
  else if (dice.chance(25)) delete content[dice.of(scalars)]
  else content[dice.of(scalars)] = randomLevel(version, dice)
}

function change(content: Record<string, unknown>, name: string, key: string, level: unknown): void {
  const before = own(content, name)
  const { [key]: _old, ...others } = isObject(before) ? before : {}
  content[name] = level === undefined ? others : { ...others, [key]: level }
}

function spoil(dice: Dice, content: Record<string, unknown>): void {
  const users = own(content, 'users')
  const named = isObject(users) ? users : {}
  const bad = dice.of(['nobody', '@nocolon', '@empty:', '@bad:a.test:port', '@bad:a_b', `@${'x'.repeat(260)}:a.test`])
  const odd = dice.of(['@:a.test', '@Ünü cöde:a.test', '@six:[::1]:80', '@four:10.0.0.1:8448'])
  const spoilers: (() => void)[] = [
    () => (content['users'] = { ...named, [bad]: 0 }),
    () => (content['users'] = { ...named, [odd]: 0 }),
    () => (content['users'] = dice.of([[], null, 'users', 5])),
    () => (content['users'] = { ...named, '@dave:b.test': dice.of(unreadable) }),
    () => (content['events'] = dice.of([[], null, 'events', { 'x.custom': dice.of(unreadable) }])),
    () => (content['notifications'] = dice.of([[], null, 'room', { room: dice.of(unreadable) }])),
    () => (content[dice.of(scalars)] = dice.of(unreadable)),
    () => delete content['users'],
  ]
  dice.of(spoilers)()
}
