import { readFileSync } from 'node:fs'

function readVersion(): string {
  // from dist, and from src/util
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string }).version
    } catch {
      continue
    }
  }
  return 'unknown'
}

/** The version of this program. */
export const serverVersion = readVersion()
