import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { writeFileDurably } from '../util/durable-file.ts'

/** Where the command line finds a running server's admin listener, and what opens it. */
export interface OperatorFile {
  /** null: the server has no admin listener */
  readonly url: string | null
  readonly token: string
  readonly pid: number
}

const pathIn = (dataDir: string) => join(dataDir, 'operator.json')

/** Writes the file, readable by its owner only. The token is good for as long as this process lives. */
export async function writeOperatorFile(dataDir: string, content: OperatorFile): Promise<void> {
  const path = pathIn(dataDir)
  mkdirSync(dirname(path), { recursive: true })
  await writeFileDurably(path, `${JSON.stringify(content)}\n`, 0o600)
  chmodSync(path, 0o600)
}

/** What a server wrote down, which may be gone by now; undefined where there is no such file. */
export function readOperatorFile(dataDir: string): OperatorFile | undefined {
  try {
    return JSON.parse(readFileSync(pathIn(dataDir), 'utf8')) as OperatorFile
  } catch {
    return undefined
  }
}

/** Removes the file when it is still this process's. */
export function removeOperatorFile(dataDir: string, pid: number): void {
  if (readOperatorFile(dataDir)?.pid === pid) rmSync(pathIn(dataDir), { force: true })
}
