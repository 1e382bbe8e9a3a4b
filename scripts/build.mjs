// Bundles the sources into one file: loading hundreds of small modules is most of what a start would cost. Nothing is
// minified, so that stack traces name functions and lines that can be read; packages that are native or rarely used stay
// outside. Tests run from source and need none of this but in test/process.
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { rolldown } from 'rolldown'

const folder = 'dist'
const external = ['better-sqlite3', 'bcrypt', 'pg', 'sharp', 'undici']
rmSync(folder, { recursive: true, force: true })

/** @param {string} input @param {'cjs' | 'esm'} format @param {string} file */
async function bundle(input, format, file) {
  const made = await rolldown({ input, platform: 'node', external, logLevel: 'warn' })
  await made.write({
    file: join(folder, file),
    format,
    codeSplitting: false,
    dynamicImportInCjs: false,
    sourcemap: true,
  })
  await made.close()
}
await bundle('main.ts', 'cjs', 'lethe.cjs')
await bundle('schema/generate.ts', 'esm', 'schema/generate.js')

// A function, as Node makes one of each CommonJS module. One character beyond Latin-1 would double what the text takes in
// memory, so those are escaped (they are in strings, patterns and comments only).
const whole = join(folder, 'lethe.cjs')
const text = readFileSync(whole, 'utf8')
  .replace(/^#!/, '//')
  .replace(/[^\n\x20-\x7e\t]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
writeFileSync(whole, `(function (exports, require, module, __filename, __dirname) {${text}\n})`)
cpSync('scripts/run.mjs', join(folder, 'main.js'))

// Threads and child processes run from files of their own, which lie beside whatever starts them.
for (const path of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
  if (path.endsWith('.mjs')) cpSync(join('src', path), join(folder, basename(path)))
}

try {
  execFileSync(process.execPath, ['scripts/compile.mjs'], { stdio: 'inherit', timeout: 120_000 })
} catch (error) {
  // as on a machine that cannot start a server; each start compiles for itself then
  process.stderr.write(`dist has no compiled code: ${String(error)}\n`)
}
