import type { Conn } from '../store/database.ts'
import { findEpoch } from '../store/epochs.ts'
import { listErasedUsers } from '../store/erased-users.ts'
import type { ErasureMark } from './prune-rule.ts'

/** What reading needs to know of an erased user. */
export interface Erased extends ErasureMark {
  readonly mode: 'redact' | 'forget'
}

/**
 * Who is erased, in memory: every read of events asks it. Changed on commit in this process; what another process
 * commits is noticed by the epoch `erasures`, which `refresh` compares before anything is read.
 */
export class ErasedUsers {
  readonly #byNid = new Map<number, Erased>()
  #epoch = -1

  /** Reads everything; once at start. */
  async load(conn: Conn): Promise<void> {
    const epoch = await findEpoch(conn, 'erasures')
    const rows = await listErasedUsers(conn)
    this.#byNid.clear()
    for (const row of rows) {
      this.#byNid.set(row.user_nid, {
        erasedTs: row.erased_ts,
        mode: row.erasure_mode === 'forget' ? 'forget' : 'redact',
        returnedTs: row.returned_ts ?? undefined,
      })
    }
    this.#epoch = epoch
  }

  /** Reads again where another process changed something. On SQLite there is no other process. */
  async refresh(conn: Conn): Promise<void> {
    if (conn.engine === 'postgres' && (await findEpoch(conn, 'erasures')) !== this.#epoch) await this.load(conn)
  }

  get isEmpty(): boolean {
    return this.#byNid.size === 0
  }

  /** The erasure of a user, by row id. */
  of(userNid: number): Erased | undefined {
    return this.#byNid.get(userNid)
  }

  /** A user was erased. */
  add(userNid: number, erased: Erased): void {
    this.#byNid.set(userNid, erased)
  }

  /** An erased user of another server is active again from `ts` on. */
  returned(userNid: number, ts: number): void {
    const known = this.#byNid.get(userNid)
    if (known !== undefined) this.#byNid.set(userNid, { ...known, returnedTs: ts })
  }

  /** An erasure was cancelled. */
  remove(userNid: number): void {
    this.#byNid.delete(userNid)
  }
}
