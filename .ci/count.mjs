// Adds up the test runs whose JSON reports lie in a folder, names the steps that failed, and prints the closing line.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder, ...failedSteps] = process.argv.slice(2)
let passed = 0
let failed = 0
let skipped = 0
for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(join(folder, name), 'utf8'))
  passed += report.numPassedTests
  failed += report.numFailedTests
  skipped += report.numPendingTests + report.numTodoTests
  console.log(
    `${name.replace('.json', '')}: ${report.numPassedTests} passed, ${report.numFailedTests} failed, ${report.numPendingTests} skipped`,
  )
}
for (const step of failedSteps) console.log(`failed step: ${step}`)
if (failedSteps.length > 0 && failed === 0) failed = failedSteps.length
console.log(`skipped: ${skipped}`)
console.log(`${passed} passed, ${failed} failed`)
