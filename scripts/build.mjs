// Bundles the sources into few files: loading hundreds of small modules is most of what a start would cost. Nothing is
// minified, so that stack traces name functions and lines that can be read; packages that are native or rarely used stay
// outside. Tests run from source and need none of this but in test/process.
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { rolldown } from 'rolldown'

const folder = 'dist'
rmSync(folder, { recursive: true, force: true })
const bundle = await rolldown({
  input: { main: 'main.ts', 'schema/generate': 'schema/generate.ts' },
  platform: 'node',
  external: ['better-sqlite3', 'bcrypt', 'pg', 'sharp', 'undici'],
  logLevel: 'warn',
})
await bundle.write({
  dir: folder,
  format: 'esm',
  sourcemap: true,
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
})
await bundle.close()

// Threads and child processes run from files of their own, which lie beside whatever starts them.
for (const path of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
  if (path.endsWith('.mjs')) cpSync(join('src', path), join(folder, basename(path)))
}
