import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolderDurably, writeFileDurably } from '../util/durable-file.ts'
import type { Random } from '../util/ports.ts'

/** Secrets that passwords are mixed with before they are hashed (P6), by id; new hashes are made with `current`. */
export interface Peppers {
  readonly current: string
  readonly byId: ReadonlyMap<string, Buffer>
}

const line = /^([A-Za-z0-9_-]{1,32}) ([A-Za-z0-9+/]{43}=)$/

/**
 * Reads the pepper file: lines of an id, a space and 32 bytes in base64; the last line is the current pepper, the
 * others verify older hashes until their owners log in again. A missing file is made, readable by its owner only and
 * on disk before this returns. Throws an Error that names the file where it is unreadable or malformed.
 */
export async function loadPeppers(path: string, random: Random): Promise<Peppers> {
  const text = await readOrMake(path, random)
  return parsePeppers(text, path)
}

/** A single pepper that the operator gave, of any form. */
export function configuredPepper(secret: string): Peppers {
  return { current: 'configured', byId: new Map([['configured', Buffer.from(secret, 'utf8')]]) }
}

/** Adds a new pepper to the file, for hashes made from the next start on. */
export async function rotatePepper(path: string, random: Random): Promise<void> {
  const text = await readOrMake(path, random)
  parsePeppers(text, path)
  await writeFileDurably(path, text + newLine(random))
}

function parsePeppers(text: string, path: string): Peppers {
  const byId = new Map<string, Buffer>()
  let current: string | undefined
  for (const each of text.split('\n')) {
    if (each.trim() === '') continue
    const [, id, secret] = line.exec(each.trim()) ?? []
    if (id === undefined || secret === undefined || byId.has(id)) throw new Error(`${path}: not a pepper file`)
    byId.set(id, Buffer.from(secret, 'base64'))
    current = id
  }
  if (current === undefined) throw new Error(`${path}: holds no pepper`)
  return { current, byId }
}

const newLine = (random: Random) => `${random.token(6)} ${Buffer.from(random.bytes(32)).toString('base64')}\n`

async function readOrMake(path: string, random: Random): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const text = newLine(random)
  await makeFolderDurably(dirname(path), 0o700)
  await writeFileDurably(path, text)
  return text
}
