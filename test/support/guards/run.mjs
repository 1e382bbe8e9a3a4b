import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const longestMs = 180_000

/**
 * A case that ran or was skipped: `red` failed at an expectation, `broken` failed otherwise.
 * @typedef {{ name: string, verdict: 'green' | 'red' | 'broken' | 'skipped', expected: string | undefined, message: string | undefined }} Case
 */

/**
 * Puts the edits in, runs `fn`, and puts the text back.
 * @template T
 * @param {string} folder
 * @param {readonly import('./entry.mjs').Edit[]} edits
 * @param {() => T} fn
 * @returns {T}
 */
export function without(folder, edits, fn) {
  const before = new Map()
  try {
    for (const { file, cut, put = '' } of edits) {
      const path = join(folder, file)
      const text = readFileSync(path, 'utf8')
      if (!before.has(path)) before.set(path, text)
      const parts = text.split(cut)
      if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${cut}`)
      writeFileSync(path, parts.join(put))
    }
    return fn()
  } finally {
    for (const [path, text] of before) writeFileSync(path, text)
  }
}

const isExpectation = (message) => /AssertionError|expects to receive|instead of rejecting/.test(message)

/**
 * Runs those tests of one file whose full names match.
 * @param {string} folder
 * @param {string} file
 * @param {string} pattern
 * @returns {Case[]}
 */
export function run(folder, file, pattern) {
  const cache = ['--experimental.fsModuleCache', `--experimental.fsModuleCachePath=${join(folder, '.cache')}`]
  const args = ['node_modules/vitest/vitest.mjs', 'run', file, '-t', pattern, '--reporter=json', ...cache]
  const options = { cwd: folder, encoding: 'utf8', timeout: longestMs, maxBuffer: 1 << 28 }
  const { stdout } = spawnSync(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'ignore'] })
  const start = stdout.indexOf('{"')
  const results = start < 0 ? [] : JSON.parse(stdout.slice(start)).testResults
  const matches = new RegExp(pattern)
  return results
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ fullName }) => matches.test(fullName))
    .map(({ fullName: name, status, failureMessages, meta }) => ({
      name,
      verdict: verdictOf(status, failureMessages),
      expected: meta?.expected,
      message: failureMessages[0]?.slice(0, 200),
    }))
}

function verdictOf(status, messages) {
  if (status === 'passed') return 'green'
  if (status !== 'failed') return 'skipped'
  return messages.some(isExpectation) ? 'red' : 'broken'
}
