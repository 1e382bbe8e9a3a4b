// Removes one guard after the other from a copy of the source, and demands that the tests named beside it turn red.
//   node scripts/guards.mjs [--list] [--start=N] [--count=N] [part of a guard's name …]
// Prints a line a guard and the table of guards at doors, and ends with 1 where one of them stays green.
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { showAtDoors } from '../test/support/guards/at-doors.mjs'
import { run, without } from '../test/support/guards/run.mjs'
import { doorTable } from '../test/support/guards/door-table.mjs'
import { guards } from '../test/support/guards/table.mjs'

const root = new URL('..', import.meta.url).pathname
const copied = ['src', 'schema', 'test', 'scripts', 'main.ts', 'package.json', 'tsconfig.json', 'vitest.config.ts']

/** Runs the tests without a guard; gives for each of them how many ran and which turned red. */
function judge(folder, edits, tests) {
  return without(folder, edits, () =>
    [...new Set(tests.map(({ file }) => file))].flatMap((file) => {
      const ofFile = tests.filter((test) => test.file === file)
      const cases = run(folder, file, ofFile.map(({ name }) => `(?:${name})`).join('|'))
      return ofFile.map((test) => {
        const ran = cases.filter(({ name, verdict }) => verdict !== 'skipped' && new RegExp(test.name).test(name))
        const red = ran.filter(({ verdict }) => verdict === 'red')
        const broken = ran.find(({ verdict }) => verdict === 'broken')?.message
        return { test, ran: ran.length, red: red.length, broken: red.length > 0 ? undefined : broken }
      })
    }),
  )
}

const isRed = ({ red }) => red > 0
const count = (results) => results.map(({ red, ran }) => `${red}/${ran}`).join(' + ')

/** What came of a guard's own tests: whether it holds, and its line. */
function verdictOn(folder, { edits, behind }, tests) {
  const results = judge(folder, [...edits, ...(behind?.edits ?? [])], tests)
  const bad = results.find((result) => !isRed(result))
  if (bad !== undefined) {
    const { test, ran, broken } = bad
    return { holds: false, line: `GREEN ${test.file} -t '${test.name}' (${ran} ran)${broken ? `: ${broken}` : ''}` }
  }
  if (behind === undefined) return { holds: true, line: count(results) }
  const alone = judge(folder, edits, tests)
  if (alone.some(isRed)) return { holds: false, line: `RED WITHOUT ITS FIRST LINE GONE ${count(alone)}` }
  return { holds: true, line: `${count(results)}, second line behind: ${behind.name}` }
}

/** A guard at all of its tests, and at the doors. */
function show(folder, guard) {
  const own = guard.red.filter(({ check }) => check === undefined)
  const checks = guard.red.flatMap(({ check }) => check ?? [])
  const parts = []
  if (own.length > 0) parts.push(verdictOn(folder, guard, own))
  const atDoors = checks.length > 0 ? showAtDoors(folder, guard, checks) : undefined
  if (atDoors !== undefined) {
    const signs = [...atDoors.signs.values()].join('')
    parts.push({ holds: atDoors.holds, line: `doors ${signs}${atDoors.says === '' ? '' : ` ${atDoors.says}`}` })
  }
  const holds = parts.every((part) => part.holds)
  return { holds, line: `${holds ? 'red  ' : 'FAILS'} ${parts.map(({ line }) => line).join('; ')}`, atDoors }
}

const names = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const option = (name, otherwise) =>
  Number(process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise)
const start = option('start', 0)
const asked = guards
  .slice(start, start + option('count', guards.length))
  .filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)))
const chosen = asked.filter(({ needs }) => needs === undefined || process.env[needs] !== undefined)
for (const { name, needs } of asked)
  if (needs !== undefined && process.env[needs] === undefined)
    process.stdout.write(`${name}: left out, ${needs} is not set\n`)
const folder = mkdtempSync(join(tmpdir(), 'lethe-guards-'))
const rows = []
let failures = 0
try {
  for (const name of copied) cpSync(join(root, name), join(folder, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const guard of chosen) {
    let holds = false
    let line
    try {
      if (process.argv.includes('--list')) [holds, line] = [true, guard.edits.map(({ file }) => file).join(', ')]
      else {
        const shown = show(folder, guard)
        ;({ holds, line } = shown)
        if (shown.atDoors !== undefined) rows.push({ guard, signs: shown.atDoors.signs })
      }
    } catch (error) {
      line = `BROKEN ${error.message}`
    }
    if (!holds) failures++
    process.stdout.write(`${guard.name}: ${line}\n`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (rows.length > 0) process.stdout.write(`\n${doorTable(rows)}\n`)
process.stdout.write(`${chosen.length - failures} of ${chosen.length} guards hold\n`)
process.exitCode = failures === 0 ? 0 : 1
