import { listErasureIds, releaseAllErasureLeases } from '../store/erasures.ts'
import type { PrivacyDeps } from './deps.ts'
import { replayJournal } from './replay.ts'

/**
 * Before anything is served: replays what the journal has and the database lacks, and loads who is erased. No job is
 * begun. Throws what the database throws.
 */
export async function preparePrivacy(deps: PrivacyDeps): Promise<void> {
  deps.eraser.prepare(deps)
  await deps.database.read((conn) => deps.erased.load(conn))
  await replayJournal(deps)
  // Nobody else works on this database: what a killed process had begun goes on at once.
  if (deps.database.engine === 'sqlite' && (await deps.database.read(listErasureIds)).size > 0)
    await deps.database.write(releaseAllErasureLeases)
  await deps.database.read((conn) => deps.erased.load(conn))
}
