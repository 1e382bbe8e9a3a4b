import type { Database, Tx } from '../store/database.ts'
import type { StoredBlob } from './blob-files.ts'
import type { MediaDeps } from './deps.ts'
import { deleteBlobFiles } from './remove.ts'

/**
 * Writes a file, then, once it is on disk, the row that names it: `insert`, in a transaction. Where that throws nothing is
 * left of the file. Returns what `insert` returned.
 */
export async function storeFile<T>(
  deps: Pick<MediaDeps, 'database' | 'blobFiles'>,
  chunks: AsyncIterable<Uint8Array>,
  insert: (tx: Tx, blob: StoredBlob) => Promise<T>,
  options: Parameters<Database['write']>[1] = {},
): Promise<T> {
  let written: string | undefined
  try {
    return await deps.blobFiles.write(chunks, (blob) => {
      written = blob.sha256
      return deps.database.write((tx) => insert(tx, blob), options)
    })
  } catch (error) {
    if (written !== undefined) await deleteBlobFiles(deps, [written])
    throw error
  }
}
