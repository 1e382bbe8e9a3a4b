// Adds up the test runs whose JSON reports lie in a folder, names the steps and tests that failed, and prints the closing line.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const [folder, ...failedSteps] = process.argv.slice(2)
let passed = 0
let failed = 0
let skipped = 0
/** A failure's message may be thousands of lines; what is kept of a log is its end, which must hold all of them. */
const longestMessage = 1_500
const failures = []
for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(join(folder, name), 'utf8'))
  passed += report.numPassedTests
  failed += report.numFailedTests
  skipped += report.numPendingTests + report.numTodoTests
  for (const { name: file, assertionResults, message } of report.testResults) {
    const wrong = assertionResults.filter(({ status }) => status === 'failed')
    for (const { fullName, failureMessages, duration } of wrong)
      failures.push([file, `${fullName} (${Math.round(duration ?? 0)} ms)`, failureMessages.join('\n')])
    // a file that could not be loaded, or whose set-up failed, has no failed test
    if (wrong.length === 0 && message) failures.push([file, 'the file itself', message])
  }
  console.log(
    `${name.replace('.json', '')}: ${report.numPassedTests} passed, ${report.numFailedTests} failed, ${report.numPendingTests} skipped`,
  )
}
for (const [file, test, message] of failures)
  console.log(`\nFAILED ${relative('.', file)}: ${test}\n${message.slice(0, longestMessage)}\n`)
for (const step of failedSteps) console.log(`failed step: ${step}`)
if (failedSteps.length > 0 && failed === 0) failed = failedSteps.length
console.log(`skipped: ${skipped}`)
console.log(`${passed} passed, ${failed} failed`)
