import { signs } from './at-doors.mjs'

/**
 * Guards by doors.
 * @param {readonly { guard: import('./entry.mjs').Guard, signs: Map<string, string> }[]} rows
 */
export function doorTable(rows) {
  const doors = [...new Set(rows.flatMap((row) => [...row.signs.keys()]))]
  const letterOf = (index) => String.fromCodePoint('a'.codePointAt(0) + index)
  const widest = Math.max(...rows.map(({ guard }) => guard.name.length))
  return [
    'Guards at doors: ' +
      [
        `${signs.red} red without it`,
        `${signs.second} red without it and its second line`,
        `${signs.named} a second line is named`,
        `${signs.none} means nothing there`,
        `${signs.green} NOT SHOWN`,
      ].join(', '),
    ...doors.map((door, index) => `  ${letterOf(index)} ${door}`),
    `${' '.repeat(widest)}  ${doors.map((_, index) => letterOf(index)).join(' ')}`,
    ...rows.map(({ guard, signs: found }) => {
      const line = doors.map((door) => found.get(door) ?? signs.none).join(' ')
      const lines = (guard.lines ?? []).map(({ name, doors: at }) => `${at}: ${name}`).join('; ')
      return `${guard.name.padEnd(widest)}  ${line}${lines === '' ? '' : `  ${lines}`}`
    }),
  ].join('\n')
}
