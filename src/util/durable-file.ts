import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Replaces a file so that after a power cut it holds the old text or the new one: temporary file, fsync, rename, fsync of the folder. */
export async function writeFileDurably(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    const file = await open(temporary, 'w', mode)
    try {
      await file.writeFile(data)
      await file.chmod(mode)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(dirname(path))
}

/** Makes names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/**
 * Makes a folder, and those above it, so that a power cut leaves them there. The name of one that exists is made durable
 * too: who made it may not have come so far.
 */
export async function makeFolderDurably(path: string, mode = 0o777): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode })
  const top = dirname(made ?? path)
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    await syncFolder(folder).catch((error: unknown) => {
      // a folder that is not ours may be one that we cannot read
      if (made !== undefined || !isForbidden(error)) throw error
    })
    if (folder.length <= top.length) return
  }
}

function isForbidden(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EACCES'
}
