import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderSchema } from './render.ts'
import { tables } from './tables/index.ts'

// Writes the first migration of both engines from the definitions: `node dist/schema/generate.js`, in the repository.
for (const engine of ['sqlite', 'postgres'] as const) {
  const folder = join('schema', 'migrations', engine)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, '0001_first.sql'), renderSchema(engine, tables))
}
