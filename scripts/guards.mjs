// Removes one guard after the other from a copy of the source, and demands that the tests named beside it turn red.
//   node scripts/guards.mjs [--list] [--start=N] [--count=N] [part of a guard's name …]
// Prints a line a guard, and ends with 1 where one of them stays green.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guards } from '../test/support/guards/table.mjs'

const root = new URL('..', import.meta.url).pathname
const copied = ['src', 'schema', 'test', 'scripts', 'main.ts', 'package.json', 'tsconfig.json', 'vitest.config.ts']
const longestMs = 180_000

/** @typedef {{ file: string, cut: string, put?: string }} Edit */

/** @param {string} folder @param {readonly Edit[]} edits @returns the texts as they were */
function edit(folder, edits) {
  const before = new Map()
  for (const { file, cut, put = '' } of edits) {
    const path = join(folder, file)
    const text = readFileSync(path, 'utf8')
    if (!before.has(path)) before.set(path, text)
    const parts = text.split(cut)
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${cut}`)
    writeFileSync(path, parts.join(put))
  }
  return before
}

/** Runs some tests of one file; gives for each of them how many ran and which failed at an expectation. */
function run(folder, file, tests) {
  const name = tests.map((test) => `(?:${test.name})`).join('|')
  const cache = ['--experimental.fsModuleCache', `--experimental.fsModuleCachePath=${join(folder, '.cache')}`]
  const args = ['node_modules/vitest/vitest.mjs', 'run', file, '-t', name, '--reporter=json', ...cache]
  const options = { cwd: folder, encoding: 'utf8', timeout: longestMs, maxBuffer: 1 << 28 }
  const { stdout } = spawnSync(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'ignore'] })
  const start = stdout.indexOf('{"')
  const results = start < 0 ? [] : JSON.parse(stdout.slice(start)).testResults
  const all = results.flatMap(({ assertionResults }) => assertionResults)
  const isExpectation = ({ failureMessages }) =>
    failureMessages.some((message) => /AssertionError|expects to receive|instead of rejecting/.test(message))
  return tests.map((test) => {
    const pattern = new RegExp(test.name)
    const ran = all.filter(({ status, fullName }) => /passed|failed/.test(status) && pattern.test(fullName))
    const failed = ran.filter(({ status }) => status === 'failed')
    const red = failed.filter(isExpectation)
    return {
      test,
      ran: ran.length,
      red,
      broken: red.length > 0 ? undefined : failed[0]?.failureMessages[0]?.slice(0, 200),
    }
  })
}

function judge(folder, edits, tests) {
  const before = edit(folder, edits)
  try {
    const files = [...new Set(tests.map(({ file }) => file))]
    return files.flatMap((file) => {
      const ofFile = tests.filter((test) => test.file === file)
      return run(folder, file, ofFile)
    })
  } finally {
    for (const [path, text] of before) writeFileSync(path, text)
  }
}

const isRed = ({ red }) => red.length > 0
const count = (results) => results.map(({ red, ran }) => `${red.length}/${ran}`).join(' + ')

/** What came of one guard: its line, and whether it holds. */
function verdictOn(folder, { edits, behind, red: tests }) {
  const all = [...edits, ...(behind?.edits ?? [])]
  const results = judge(folder, all, tests)
  const bad = results.find((result) => !isRed(result))
  if (bad !== undefined)
    return [
      false,
      `GREEN  ${bad.test.file} -t '${bad.test.name}' (${bad.ran} ran)${bad.broken ? `: ${bad.broken}` : ''}`,
    ]
  if (behind === undefined) return [true, `red    ${count(results)}`]
  const alone = judge(folder, edits, tests)
  if (alone.some(isRed)) return [false, `RED WITHOUT ITS FIRST LINE GONE  ${count(alone)}`]
  return [true, `red    ${count(results)}, second line behind: ${behind.name}`]
}

const names = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const option = (name, otherwise) =>
  Number(process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise)
const start = option('start', 0)
const chosen = guards
  .slice(start, start + option('count', guards.length))
  .filter(({ name }) => names.length === 0 || names.some((part) => name.includes(part)))
const folder = mkdtempSync(join(tmpdir(), 'lethe-guards-'))
let failures = 0
try {
  for (const name of copied) cpSync(join(root, name), join(folder, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const guard of chosen) {
    let holds = false
    let line
    try {
      if (process.argv.includes('--list')) [holds, line] = [true, guard.edits.map(({ file }) => file).join(', ')]
      else [holds, line] = verdictOn(folder, guard)
    } catch (error) {
      line = `BROKEN ${error.message}`
    }
    if (!holds) failures++
    process.stdout.write(`${guard.name}: ${line}\n`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.stdout.write(`${chosen.length - failures} of ${chosen.length} guards hold\n`)
process.exitCode = failures === 0 ? 0 : 1
