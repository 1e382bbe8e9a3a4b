import type { Decode } from './statement.ts'
import { decodeText } from './text-codec.ts'

/** What makes a cell of what the driver gives: `plain` as it is but for `decodeText`, or a mapping of all but null. */
export type Cell = 'plain' | 'bool' | ((value: unknown) => unknown)

/**
 * Makes a function that turns a driver's list of values into an object with these keys. It is compiled to one object
 * literal, because a loop that sets one property after the other costs ten times as much, more than reading the row.
 */
export function rowDecoder(keys: readonly string[], cells: readonly Cell[]): Decode {
  const members = keys.map((key, i) => {
    const name = JSON.stringify(key)
    return `${name === '"__proto__"' ? '["__proto__"]' : name}: ${expression(cells[i] ?? 'plain', i)}`
  })
  const maps = cells.map((cell) => (typeof cell === 'function' ? cell : undefined))
  // oxlint-disable-next-line no-implied-eval, typescript/no-implied-eval -- made of our own column names and numbers, quoted
  const make = new Function('decodeText', 'maps', `return (row) => ({ ${members.join(', ')} })`) as (
    decode: typeof decodeText,
    maps: readonly (((value: unknown) => unknown) | undefined)[],
  ) => Decode
  return make(decodeText, maps)
}

function expression(cell: Cell, i: number): string {
  const value = `row[${i}]`
  if (cell === 'bool') return `${value} === null ? null : Boolean(${value})`
  const plain = `(typeof ${value} === 'string' ? decodeText(${value}) : ${value})`
  return cell === 'plain' ? plain : `${value} === null ? null : maps[${i}](${plain})`
}
