import { readFileSync } from 'node:fs'

function readVersion(): string {
  // from src/util as from dist/util
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** The version of this program. */
export const serverVersion = readVersion()
