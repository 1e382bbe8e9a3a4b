import { bumpEpoch, findEpoch } from '../store/epochs.ts'
import type { Database, Tx } from '../store/database.ts'
import { findAccessToken } from '../store/tokens.ts'
import type { TokenRow } from '../store/tokens.ts'
import { lru } from '../util/lru.ts'

/**
 * Access tokens in memory, by hash. Whatever ends a session or changes what an account may do calls `invalidate` in its
 * transaction; from the commit on no process answers by an older copy.
 */
export class Sessions {
  readonly #known = lru<string, TokenRow>(20_000)
  #epoch = -1
  #generation = 0

  /** The token of this hash as the database has it, or undefined. */
  async find(database: Database, hash: string): Promise<TokenRow | undefined> {
    if (database.engine === 'postgres') return this.#findShared(database, hash)
    const known = this.#known.get(hash)
    if (known) return known
    const generation = this.#generation
    const row = await database.read((conn) => findAccessToken(conn, hash))
    // what was read before somebody's session ended must not be kept after it
    if (row && generation === this.#generation) this.#known.set(hash, row)
    return row
  }

  /** With several processes the epoch in the database says whether what is kept still holds. */
  async #findShared(database: Database, hash: string): Promise<TokenRow | undefined> {
    return database.read(async (conn) => {
      const epoch = await findEpoch(conn, 'sessions')
      if (epoch > this.#epoch) {
        this.#known.clear()
        this.#epoch = epoch
      }
      const known = epoch === this.#epoch ? this.#known.get(hash) : undefined
      if (known) return known
      const row = await findAccessToken(conn, hash)
      if (row && epoch === this.#epoch) this.#known.set(hash, row)
      return row
    })
  }

  /** Makes every process forget every token that it has in memory, from the commit on. */
  async invalidate(tx: Tx): Promise<void> {
    await bumpEpoch(tx, 'sessions')
    tx.onCommit(() => {
      this.#generation++
      this.#known.clear()
    })
  }

  /** Forgets one token here. */
  forget(hash: string): void {
    this.#generation++
    this.#known.delete(hash)
  }
}
