import { run, without } from './run.mjs'

const file = 'test/scenario/doors/table.test.ts'
const caseName = /^in room version '?\d+'? '(.+?)' '/

/** What stands for a guard at a door in the table; `?` holds it open. */
export const signs = {
  red: 'r',
  second: '2',
  named: 'n',
  none: '-',
  green: '?',
}

const beginsWith = (doors) => new RegExp(`^(?:${doors})`)

/**
 * What became of the checks at each door where the guard stands, in all room versions: `red` where one of the cases turned red, `none` where no
 * case means anything or all are let in by the rules, `green` where the check still refuses.
 * @returns {Map<string, 'red' | 'green' | 'none'>}
 */
function atDoors(folder, edits, checks, stands) {
  const cases = without(folder, edits, () => run(folder, file, `' '(?:${checks.join('|')})`))
  const byDoor = new Map()
  for (const { name, verdict, expected, message } of cases) {
    if (verdict === 'broken') throw new Error(`${name}: ${message}`)
    const door = caseName.exec(name)?.[1] ?? name
    const isMeant = stands.test(door) && (verdict === 'red' || (verdict === 'green' && expected !== 'stored'))
    const means = isMeant ? verdict : 'none'
    const before = byDoor.get(door)
    if (before === undefined || before === 'none' || means === 'red') byDoor.set(door, means)
  }
  return byDoor
}

/**
 * Shows a guard at every door: with it removed the door's cases turn red, or a second line stands there: what else
 * refuses, shown by its being removed too, or named where taking it away means nothing.
 * @param {string} folder
 * @param {import('./entry.mjs').Guard} guard
 * @param {readonly string[]} checks
 * @returns {{ holds: boolean, signs: Map<string, string>, says: string }}
 */
export function showAtDoors(folder, { edits, lines = [], at = '' }, checks) {
  const stands = beginsWith(at)
  const first = atDoors(folder, edits, checks, stands)
  const found = new Map([...first].map(([door, what]) => [door, signs[what]]))
  const says = []
  const green = () => [...found].filter(([, sign]) => sign === signs.green).map(([door]) => door)
  for (const { name, doors, edits: more } of lines) {
    const meant = beginsWith(doors)
    const here = green().filter((door) => meant.test(door))
    if (here.length === 0) {
      says.push(`nothing is left for: ${name}`)
      continue
    }
    if (more === undefined) for (const door of here) found.set(door, signs.named)
    else {
      const second = atDoors(folder, [...edits, ...more], checks, stands)
      for (const door of here) if (second.get(door) === 'red') found.set(door, signs.second)
    }
  }
  says.push(...green().map((door) => `GREEN at ${door}`))
  const isShown = [...found.values()].some((sign) => sign === signs.red || sign === signs.second)
  if (!isShown) says.push('RED NOWHERE')
  return { holds: says.length === 0, signs: found, says: says.join('; ') }
}
